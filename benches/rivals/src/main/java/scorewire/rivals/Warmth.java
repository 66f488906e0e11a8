package scorewire.rivals;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.util.RandomData;

/** Random payloads of a schema, to warm up with. */
final class Warmth {
    private static final int PAYLOADS = 1_024;
    private static final long SEED = 1;

    private Warmth() {}

    /** In single-object encoding. */
    static List<byte[]> payloads(Schema schema) throws IOException {
        GenericDatumWriter<Object> writer = new GenericDatumWriter<>(schema);
        byte[] prefix = Outcomes.prefix(schema);
        List<byte[]> payloads = new ArrayList<>(PAYLOADS);
        BinaryEncoder encoder = null;
        for (Object datum : new RandomData(schema, PAYLOADS, SEED)) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            out.write(prefix);
            encoder = EncoderFactory.get().binaryEncoder(out, encoder);
            writer.write(datum, encoder);
            encoder.flush();
            payloads.add(out.toByteArray());
        }
        return payloads;
    }
}
