package scorewire.rivals;

import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.avro.LogicalTypes;
import org.apache.avro.Schema;
import org.apache.avro.SchemaNormalization;

/**
 * The CRC-64-AVRO fingerprints under which a schema's records are found.
 *
 * <p>Beside the specification's there is the one that the Rust library apache-avro 0.22 computes: it keeps a primitive
 * with a logical type as {@code {"type":"long"}} instead of {@code "long"}, and a decimal's precision and scale. Its
 * writers are out there, so both are known here.
 */
final class Fingerprints {
    private Fingerprints() {}

    static long of(Schema schema) {
        return SchemaNormalization.parsingFingerprint64(schema);
    }

    /** As apache-avro 0.22 for Rust has it. */
    static long ofRust(Schema schema) {
        byte[] form = form(schema, new HashSet<>()).getBytes(StandardCharsets.UTF_8);
        return SchemaNormalization.fingerprint64(form);
    }

    private static String form(Schema schema, Set<String> defined) {
        return switch (schema.getType()) {
            case UNION -> list(schema.getTypes().stream().map(branch -> form(branch, defined)).toList());
            case ARRAY -> "{\"type\":\"array\",\"items\":" + form(schema.getElementType(), defined) + "}";
            case MAP -> "{\"type\":\"map\",\"values\":" + form(schema.getValueType(), defined) + "}";
            case RECORD, ENUM, FIXED -> named(schema, defined);
            default -> primitive(schema);
        };
    }

    private static String named(Schema schema, Set<String> defined) {
        String name = quoted(schema.getFullName());
        if (!defined.add(schema.getFullName())) {
            return name;
        }
        String rest = switch (schema.getType()) {
            case RECORD -> ",\"fields\":" + list(schema.getFields().stream()
                    .map(field -> "{\"name\":" + quoted(field.name())
                            + ",\"type\":" + form(field.schema(), defined) + "}")
                    .toList());
            case ENUM -> ",\"symbols\":" + list(schema.getEnumSymbols().stream().map(Fingerprints::quoted).toList());
            default -> ",\"size\":" + schema.getFixedSize() + decimal(schema);
        };
        return "{\"name\":" + name + ",\"type\":" + quoted(schema.getType().getName()) + rest + "}";
    }

    private static String primitive(Schema schema) {
        String type = quoted(schema.getType().getName());
        return schema.getLogicalType() == null ? type : "{\"type\":" + type + decimal(schema) + "}";
    }

    private static String decimal(Schema schema) {
        return schema.getLogicalType() instanceof LogicalTypes.Decimal decimal
                ? ",\"precision\":" + decimal.getPrecision() + ",\"scale\":" + decimal.getScale()
                : "";
    }

    private static String list(List<String> parts) {
        return parts.stream().collect(Collectors.joining(",", "[", "]"));
    }

    private static String quoted(String text) {
        return "\"" + text + "\"";
    }
}
