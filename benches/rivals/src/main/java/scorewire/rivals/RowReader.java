package scorewire.rivals;

import java.io.EOFException;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;

/**
 * Reads a payload into a slot: wire form, schema by its fingerprint, and the datum by the steps compiled for it, with
 * Avro's own decoder. No record object is built, nothing is allocated.
 */
final class RowReader {
    /** Bytes C3 01 of Avro's single-object encoding, read as a little-endian short. */
    private static final short SINGLE_OBJECT = 0x01C3;
    private static final int PREFIX_BYTES = 10;
    private static final VarHandle SHORT = MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private final long fingerprint;
    private final long rustFingerprint;
    private final byte[] name;
    private final byte[] rustName;
    private final RowSteps.Step[] steps;
    private BinaryDecoder decoder;

    RowReader(Contract contract) {
        fingerprint = Fingerprints.of(contract.schema());
        rustFingerprint = Fingerprints.ofRust(contract.schema());
        name = hexadecimal(fingerprint);
        rustName = hexadecimal(rustFingerprint);
        steps = RowSteps.compile(contract);
    }

    void read(Slot<?> slot) throws Rejected {
        byte[] payload = slot.payload;
        if (payload == null) {
            throw Rejected.TOMBSTONE;
        }
        if (slot.length < PREFIX_BYTES || (short) SHORT.get(payload, slot.start) != SINGLE_OBJECT) {
            throw Rejected.UNKNOWN_WIRE_FORM;
        }
        long named = (long) LONG.get(payload, slot.start + 2);
        if (named != fingerprint && named != rustFingerprint) {
            throw Rejected.UNKNOWN_SCHEMA;
        }
        slot.schemaName = named == fingerprint ? name : rustName;
        decoder = DecoderFactory.get().binaryDecoder(
                payload, slot.start + PREFIX_BYTES, slot.length - PREFIX_BYTES, decoder);
        slot.id = Slot.Id.ABSENT;
        slot.hasEventTime = false;
        try {
            for (RowSteps.Step step : steps) {
                step.take(decoder, slot);
            }
            if (!decoder.isEnd()) {
                throw Rejected.TRAILING_BYTES;
            }
        } catch (EOFException end) {
            throw Rejected.TRUNCATED;
        } catch (IOException | AvroRuntimeException | IndexOutOfBoundsException malformed) {
            // Avro's decoder does not tell these apart.
            throw Rejected.TRUNCATED;
        }
    }

    private static byte[] hexadecimal(long fingerprint) {
        return String.format("%016x", fingerprint).getBytes(StandardCharsets.US_ASCII);
    }
}
