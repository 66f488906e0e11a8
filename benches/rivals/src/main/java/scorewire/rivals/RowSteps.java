package scorewire.rivals;

import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.avro.LogicalTypes;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.util.Utf8;

/**
 * Compiles a schema and a contract into the steps of one walk over a datum: each field is either skipped or goes
 * straight into its columns.
 */
final class RowSteps {
    /** Reads one value off the decoder. */
    interface Step {
        void take(BinaryDecoder in, Slot<?> slot) throws IOException, Rejected;
    }

    /** Up to these both operands of a decimal's division are exact. */
    private static final double[] EXACT_POWERS = new double[23];
    private static final long EXACT_INTEGER_MAX = 1L << 53;

    static {
        Arrays.setAll(EXACT_POWERS, power -> Double.parseDouble("1e" + power));
    }

    private final Contract contract;
    /** Columns, the id and the event's time that were found in the schema. */
    private final boolean[] found;
    private boolean foundId;
    private boolean foundEventTime;

    private RowSteps(Contract contract) {
        this.contract = contract;
        found = new boolean[contract.features().size()];
        foundId = contract.id() == null;
        foundEventTime = contract.eventTime() == null;
    }

    static Step[] compile(Contract contract) {
        RowSteps compiler = new RowSteps(contract);
        List<Step> steps = new ArrayList<>();
        compiler.record(contract.schema(), "", steps);
        for (int column = 0; column < compiler.found.length; column++) {
            if (!compiler.found[column]) {
                throw Failure.ofPackage("no field has the path " + contract.features().get(column).path());
            }
        }
        if (!compiler.foundId || !compiler.foundEventTime) {
            throw Failure.ofPackage("the schema lacks the transaction's id or event time");
        }
        return steps.toArray(new Step[0]);
    }

    private void record(Schema schema, String prefix, List<Step> steps) {
        for (Schema.Field field : schema.getFields()) {
            value(field.schema(), prefix + field.name(), steps);
        }
    }

    private void value(Schema schema, String path, List<Step> steps) {
        int[] below = columns(path, true);
        if (below.length == 0 && !path.equals(contract.id()) && !path.equals(contract.eventTime())) {
            steps.add(skip(schema));
            return;
        }
        int[] here = columns(path, false);
        for (int column : here) {
            found[column] = true;
        }
        if (schema.getType() == Schema.Type.UNION) {
            nullable(schema, path, below, steps);
            return;
        }
        for (int column : here) {
            if (feature(column).transform() == Contract.Transform.IS_PRESENT) {
                steps.add((in, slot) -> slot.row[column] = 1);
            }
        }
        if (schema.getType() == Schema.Type.RECORD) {
            record(schema, path + ".", steps);
            return;
        }
        int[] valued = Arrays.stream(here)
                .filter(column -> feature(column).transform() != Contract.Transform.IS_PRESENT).toArray();
        steps.add(leaf(schema, path, valued));
    }

    /** A union of null and one other type; more is not what transactions look like. */
    private void nullable(Schema union, String path, int[] below, List<Step> steps) {
        List<Schema> branches = union.getTypes();
        boolean nullFirst = branches.get(0).getType() == Schema.Type.NULL;
        if (branches.size() != 2 || nullFirst == (branches.get(1).getType() == Schema.Type.NULL)) {
            throw Failure.ofPackage(path + " is a union of other than null and one type: not supported here");
        }
        List<Step> inner = new ArrayList<>();
        value(branches.get(nullFirst ? 1 : 0), path, inner);
        Step[] present = inner.toArray(new Step[0]);
        Step absent = absent(below);
        int nullBranch = nullFirst ? 0 : 1;
        steps.add((in, slot) -> {
            int branch = in.readIndex();
            if (branch == nullBranch) {
                absent.take(in, slot);
            } else if ((branch ^ 1) == nullBranch) {
                for (Step step : present) {
                    step.take(in, slot);
                }
            } else {
                throw Rejected.BAD_UNION_BRANCH;
            }
        });
    }

    /** What columns are whose path leads through a null. */
    private Step absent(int[] below) {
        float[] values = new float[below.length];
        boolean reject = false;
        for (int at = 0; at < below.length; at++) {
            Contract.Feature feature = feature(below[at]);
            if (feature.transform() == Contract.Transform.IS_PRESENT) {
                values[at] = 0;
            } else if (feature.missing() == Contract.Missing.UNDECLARED) {
                throw Failure.ofPackage(feature.name() + " may be null and declares no `missing`");
            } else {
                reject |= feature.missing() == Contract.Missing.REJECT;
                values[at] = feature.constant();
            }
        }
        if (reject) {
            return (in, slot) -> {
                throw Rejected.MISSING_FEATURE;
            };
        }
        return (in, slot) -> {
            for (int at = 0; at < below.length; at++) {
                slot.row[below[at]] = values[at];
            }
        };
    }

    private Step leaf(Schema schema, String path, int[] columns) {
        boolean isId = path.equals(contract.id());
        boolean isTime = path.equals(contract.eventTime());
        foundId |= isId;
        foundEventTime |= isTime;
        return switch (schema.getType()) {
            case INT -> integer(BinaryDecoder::readInt, columns, isId, isTime ? 1 : 0);
            case LONG -> integer(BinaryDecoder::readLong, columns, isId, isTime ? millisecondsDivisor(schema) : 0);
            case BOOLEAN -> (in, slot) -> put(slot, columns, in.readBoolean() ? 1 : 0);
            case FLOAT -> (in, slot) -> put(slot, columns, in.readFloat());
            case DOUBLE ->
                    columns.length == 1 ? oneDouble(columns[0]) : (in, slot) -> put(slot, columns, in.readDouble());
            case ENUM -> symbols(schema.getEnumSymbols(), columns);
            case STRING -> text(columns, isId);
            case BYTES -> decimalBytes(schema, path, columns);
            default -> throw Failure.ofPackage(path + " is " + schema.getType() + ": not supported here");
        };
    }

    private interface Whole {
        long read(BinaryDecoder in) throws IOException;
    }

    /** {@code divisor} makes milliseconds of the event's time, 0 where it is none. */
    private Step integer(Whole whole, int[] columns, boolean isId, long divisor) {
        return (in, slot) -> {
            long value = whole.read(in);
            put(slot, columns, value);
            if (isId) {
                slot.id = Slot.Id.NUMBER;
                slot.number = value;
            }
            if (divisor != 0) {
                slot.hasEventTime = true;
                slot.eventTime = Math.floorDiv(value, divisor);
            }
        };
    }

    private static long millisecondsDivisor(Schema schema) {
        String logical = String.valueOf(schema.getProp("logicalType"));
        return logical.endsWith("-micros") ? 1_000 : logical.endsWith("-nanos") ? 1_000_000 : 1;
    }

    private Step oneDouble(int column) {
        double min = feature(column).min();
        double max = feature(column).max();
        return (in, slot) -> {
            double value = in.readDouble();
            if (!(value >= min && value <= max)) {
                throw outside(value);
            }
            slot.row[column] = (float) value;
        };
    }

    private void put(Slot<?> slot, int[] columns, double value) throws Rejected {
        for (int column : columns) {
            Contract.Feature feature = contract.features().get(column);
            if (!(value >= feature.min() && value <= feature.max())) {
                throw outside(value);
            }
            slot.row[column] = (float) value;
        }
    }

    private static Rejected outside(double value) {
        return Double.isFinite(value) ? Rejected.FEATURE_OUT_OF_RANGE : Rejected.NON_FINITE_FEATURE;
    }

    /** An enum's columns: what each symbol means, decided here. Null: the symbol is rejected. */
    private Step symbols(List<String> symbols, int[] columns) {
        Float[][] meanings = new Float[columns.length][symbols.size()];
        for (int at = 0; at < columns.length; at++) {
            for (int symbol = 0; symbol < symbols.size(); symbol++) {
                meanings[at][symbol] = meaning(feature(columns[at]), symbols.get(symbol), symbols);
            }
        }
        int count = symbols.size();
        return (in, slot) -> {
            int symbol = in.readEnum();
            if (symbol < 0 || symbol >= count) {
                throw Rejected.BAD_ENUM_SYMBOL;
            }
            for (int at = 0; at < columns.length; at++) {
                slot.row[columns[at]] = known(meanings[at][symbol]);
            }
        };
    }

    private Step text(int[] columns, boolean isId) {
        List<Map<Utf8, Float>> known = new ArrayList<>();
        List<Float> otherwise = new ArrayList<>();
        for (int column : columns) {
            Contract.Feature feature = feature(column);
            if (feature.transform() == Contract.Transform.NUMBER) {
                throw Failure.ofPackage(feature.name() + " is text: it needs `index` or `equals`");
            }
            Map<Utf8, Float> meanings = new HashMap<>();
            feature.symbols().forEach(text -> meanings.put(new Utf8(text), meaning(feature, text, List.of())));
            known.add(meanings);
            boolean equals = feature.transform() == Contract.Transform.EQUALS;
            otherwise.add(inRange(feature, equals ? Float.valueOf(0) : feature.otherwise()));
        }
        Utf8 scratch = new Utf8(new byte[64]);
        return (in, slot) -> {
            Utf8 text = in.readString(isId ? slot.text : scratch);
            for (int at = 0; at < columns.length; at++) {
                Float value = known.get(at).getOrDefault(text, otherwise.get(at));
                slot.row[columns[at]] = known(value);
            }
            if (isId) {
                slot.text = text;
                slot.id = Slot.Id.TEXT;
            }
        };
    }

    /** A symbol's number, or null where it is rejected. */
    private static Float meaning(Contract.Feature feature, String symbol, List<String> all) {
        List<String> listed = feature.transform() == Contract.Transform.NUMBER ? all : feature.symbols();
        int place = listed.indexOf(symbol);
        return inRange(feature, switch (feature.transform()) {
            case EQUALS -> place == 0 ? Float.valueOf(1) : Float.valueOf(0);
            default -> place >= 0 ? Float.valueOf(place) : feature.otherwise();
        });
    }

    private static Float inRange(Contract.Feature feature, Float value) {
        boolean fits = value != null && (value.isNaN() || value >= feature.min() && value <= feature.max());
        return fits ? value : null;
    }

    private static float known(Float meaning) throws Rejected {
        if (meaning == null) {
            throw Rejected.FEATURE_OUT_OF_RANGE;
        }
        return meaning;
    }

    private Step decimalBytes(Schema schema, String path, int[] columns) {
        if (!(schema.getLogicalType() instanceof LogicalTypes.Decimal decimal)) {
            throw Failure.ofPackage(path + " is bytes and no decimal");
        }
        int scale = decimal.getScale();
        ByteBuffer[] reused = {ByteBuffer.allocate(32)};
        return (in, slot) -> {
            ByteBuffer bytes = in.readBytes(reused[0]);
            reused[0] = bytes;
            put(slot, columns, decimal(bytes.array(), bytes.position(), bytes.remaining(), scale));
        };
    }

    /** {@code unscaled / 10^scale}, correctly rounded. */
    static double decimal(byte[] bytes, int start, int length, int scale) throws Rejected {
        if (length == 0) {
            throw Rejected.TRUNCATED;
        }
        if (length <= Long.BYTES && scale < EXACT_POWERS.length) {
            long unscaled = bytes[start];
            for (int at = 1; at < length; at++) {
                unscaled = unscaled << 8 | bytes[start + at] & 0xFF;
            }
            if (Math.abs(unscaled) <= EXACT_INTEGER_MAX) {
                return unscaled / EXACT_POWERS[scale];
            }
        }
        return new BigDecimal(new BigInteger(bytes, start, length), scale).doubleValue();
    }

    private static Step skip(Schema schema) {
        return switch (schema.getType()) {
            case NULL -> (in, slot) -> { };
            case STRING -> (in, slot) -> in.skipString();
            case BYTES -> (in, slot) -> in.skipBytes();
            case INT, ENUM -> (in, slot) -> in.readInt();
            case LONG -> (in, slot) -> in.readLong();
            case BOOLEAN -> (in, slot) -> in.skipFixed(1);
            case FLOAT -> (in, slot) -> in.skipFixed(Float.BYTES);
            case DOUBLE -> (in, slot) -> in.skipFixed(Double.BYTES);
            default -> (in, slot) -> GenericDatumReader.skip(schema, in);
        };
    }

    private Contract.Feature feature(int column) {
        return contract.features().get(column);
    }

    /** Columns whose path is this one, or with {@code below} leads through it. */
    private int[] columns(String path, boolean below) {
        int[] columns = new int[contract.features().size()];
        int count = 0;
        for (int column = 0; column < columns.length; column++) {
            String wanted = feature(column).path();
            if (wanted.equals(path) || below && wanted.startsWith(path + ".")) {
                columns[count++] = column;
            }
        }
        return Arrays.copyOf(columns, count);
    }
}
