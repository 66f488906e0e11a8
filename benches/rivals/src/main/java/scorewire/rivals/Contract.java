package scorewire.rivals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.toml.TomlMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.avro.Schema;

/** A model package: the manifest {@code model.toml}, and the files it names. */
record Contract(
        String name,
        String version,
        String sha256,
        byte[] model,
        /* Null: the model's only one. */
        String inputTensor,
        String outputTensor,
        int column,
        Schema schema,
        /* Paths, or null. */
        String id,
        String eventTime,
        double reviewThreshold,
        double declineThreshold,
        String thresholdsVersion,
        List<Feature> features,
        /* Golden rows: the features in order, then the score. */
        List<float[]> golden,
        double tolerance) {

    /** How a value becomes a number. */
    enum Transform {
        NUMBER,
        INDEX,
        EQUALS,
        IS_PRESENT
    }

    /** What a feature without a value is. */
    enum Missing {
        /* The manifest says nothing: the path must not lead through a null. */
        UNDECLARED,
        REJECT,
        CONSTANT
    }

    /** One column. {@code symbols}: the list of INDEX, the one text of EQUALS. {@code otherwise}: null rejects. */
    record Feature(
            String name, String path, Transform transform, List<String> symbols, Float otherwise,
            Missing missing, float constant, double min, double max) {}

    static Contract open(Path folder) {
        try {
            return read(folder);
        } catch (IOException unreadable) {
            throw new Failure(65, "the model package in " + folder + ": " + unreadable.getMessage(), unreadable);
        }
    }

    private static Contract read(Path folder) throws IOException {
        JsonNode top = new TomlMapper().readTree(Files.readString(folder.resolve("model.toml")));
        if (top.path("format").asInt() != 1) {
            throw Failure.ofPackage("this program reads format 1");
        }
        JsonNode model = top.path("model");
        byte[] bytes = Files.readAllBytes(folder.resolve(text(model, "file")));
        String sha256 = HexFormat.of().formatHex(digest(bytes));
        if (!sha256.equalsIgnoreCase(text(model, "sha256"))) {
            throw Failure.ofPackage("the model's sha256 is " + sha256 + ", not the manifest's");
        }
        JsonNode transaction = top.path("transaction");
        JsonNode thresholds = top.path("thresholds");
        List<Feature> features = new ArrayList<>();
        top.path("features").forEach(feature -> features.add(feature(feature)));
        Path golden = folder.resolve(text(top.path("golden"), "file"));
        return new Contract(
                text(model, "name"), text(model, "version"), sha256, bytes,
                top.path("input").path("tensor").asText(null),
                text(top.path("output"), "tensor"), top.path("output").path("column").asInt(0),
                new Schema.Parser().parse(Files.readString(folder.resolve(text(transaction, "schema")))),
                transaction.path("id").asText(null), transaction.path("event_time").asText(null),
                number(thresholds, "review"), number(thresholds, "decline"), text(thresholds, "version"),
                List.copyOf(features), goldenRows(golden, features.size()),
                number(top.path("golden"), "tolerance"));
    }

    private static Feature feature(JsonNode feature) {
        String name = text(feature, "name");
        JsonNode missing = feature.path("missing");
        float constant = missing.isObject() ? (float) number(missing, "constant") : Float.NaN;
        Missing policy = switch (missing.isObject() ? "constant" : missing.asText("undeclared")) {
            case "undeclared" -> Missing.UNDECLARED;
            case "reject" -> Missing.REJECT;
            case "nan", "constant" -> Missing.CONSTANT;
            default -> throw Failure.ofPackage("missing of " + name + " is " + missing);
        };
        JsonNode transform = feature.path("transform");
        List<String> symbols = new ArrayList<>();
        Transform kind;
        if (transform.has("index")) {
            kind = Transform.INDEX;
            transform.path("index").forEach(symbol -> symbols.add(symbol.asText()));
        } else if (transform.has("equals")) {
            kind = Transform.EQUALS;
            symbols.add(text(transform, "equals"));
        } else {
            kind = switch (transform.asText("number")) {
                case "number" -> Transform.NUMBER;
                case "is_present" -> Transform.IS_PRESENT;
                default -> throw Failure.ofPackage("transform of " + name + " is " + transform);
            };
        }
        Float otherwise = transform.has("otherwise") ? (Float) (float) number(transform, "otherwise") : null;
        // The largest double that rounds to a finite float: scorewire's limit.
        double limit = Math.nextDown((double) Float.MAX_VALUE + 0x1p103);
        return new Feature(
                name, text(feature, "path"), kind, List.copyOf(symbols), otherwise, policy, constant,
                Math.max(feature.path("min").asDouble(-limit), -limit),
                Math.min(feature.path("max").asDouble(limit), limit));
    }

    private static List<float[]> goldenRows(Path file, int width) throws IOException {
        List<float[]> rows = new ArrayList<>();
        for (String line : Files.readAllLines(file).stream().skip(1).toList()) {
            String[] cells = line.split(",");
            if (cells.length != width + 1) {
                throw Failure.ofPackage("a golden row has " + cells.length + " cells, not " + (width + 1));
            }
            float[] row = new float[cells.length];
            for (int at = 0; at < row.length; at++) {
                row[at] = cells[at].equals("nan") ? Float.NaN : Float.parseFloat(cells[at]);
            }
            rows.add(row);
        }
        if (rows.isEmpty()) {
            throw Failure.ofPackage("there are no golden rows in " + file);
        }
        return rows;
    }

    private static String text(JsonNode table, String key) {
        if (!table.path(key).isTextual()) {
            throw Failure.ofPackage("model.toml lacks the text `" + key + "`");
        }
        return table.path(key).asText();
    }

    private static double number(JsonNode table, String key) {
        if (!table.path(key).isNumber()) {
            throw Failure.ofPackage("model.toml lacks the number `" + key + "`");
        }
        return table.path(key).asDouble();
    }

    private static byte[] digest(byte[] bytes) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(bytes);
        } catch (NoSuchAlgorithmException everyJavaHasIt) {
            throw new IllegalStateException(everyJavaHasIt);
        }
    }
}
