package scorewire.rivals;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.apache.avro.Schema;
import org.apache.avro.io.BinaryData;

/**
 * Encodes outcomes as scorewire does (its schemas {@code model_output.avsc} and {@code human_review.avsc}, in
 * single-object encoding), by hand into a reused buffer; what every record has in common is encoded once.
 *
 * <p>Arrays that are handed out are reused too, one for each length: Kafka's producer copies a value before
 * {@code send} returns.
 */
final class Outcomes {
    private static final int NULL = 0;
    private static final int PRESENT = 2;
    /** Fields of the schemas that nothing fills yet. */
    private static final int PLANNED = 6;
    private static final byte[] DIGITS = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
    /** What one record needs at most beside its id and payload: numbers, constants and the schema's name. */
    private static final int ROOM = 4096;

    private final byte[] outputPrefix;
    private final byte[] reviewPrefix;
    private final byte[] constants;
    private byte[] buffer = new byte[2 * ROOM];
    private int length;
    private byte[][] byLength = new byte[2 * ROOM][];
    private final byte[] digits = new byte[20];
    private final String topic;
    private byte[] idBytes;
    private int idStart;
    private int idLength;

    Outcomes(Contract contract, String inputTopic) {
        outputPrefix = prefix("model_output.avsc");
        reviewPrefix = prefix("human_review.avsc");
        number(contract.reviewThreshold());
        number(contract.declineThreshold());
        text(contract.thresholdsVersion());
        text(hostName());
        whole(0); // the lane
        text(contract.name());
        text(contract.version());
        text(contract.sha256());
        whole(0); // CPU
        text(inputTopic);
        topic = inputTopic;
        constants = Arrays.copyOf(buffer, length);
    }

    /** C3 01 and the schema's fingerprint, least significant byte first. */
    static byte[] prefix(Schema schema) {
        long fingerprint = Fingerprints.of(schema);
        byte[] prefix = new byte[10];
        prefix[0] = (byte) 0xC3;
        prefix[1] = 1;
        for (int at = 0; at < Long.BYTES; at++) {
            prefix[2 + at] = (byte) (fingerprint >>> 8 * at);
        }
        return prefix;
    }

    private static byte[] prefix(String resource) {
        try (InputStream in = Outcomes.class.getResourceAsStream("/" + resource)) {
            if (in != null) {
                return prefix(new Schema.Parser().parse(in));
            }
        } catch (IOException unreadable) {
            // Told below.
        }
        throw new Failure(70, resource + " is not in the jar: build it with benches/rivals/build");
    }

    /** As scorewire names its node. */
    private static String hostName() {
        try {
            return Files.readString(Path.of("/proc/sys/kernel/hostname")).strip();
        } catch (IOException notLinux) {
            return "rival";
        }
    }

    /** The record for the outputs' topic. Valid until the next call. */
    byte[] output(Slot<?> slot, float score, Decision decision, long scoredMicros) {
        start(outputPrefix);
        fields(slot, score, decision, scoredMicros);
        return taken();
    }

    /** The record for people, the payload included. Valid until the next call. */
    byte[] review(Slot<?> slot, float score, Decision decision, Decision.Reason reason, long scoredMicros) {
        start(reviewPrefix);
        fields(slot, score, decision, scoredMicros);
        whole(reason.ordinal());
        room(slot.length);
        buffer[length++] = PRESENT;
        bytes(slot.payload, slot.start, slot.length);
        return taken();
    }

    /**
     * Why people look at a record, or null; {@link #copyOfId} is then the key of their copy: the transaction's id as
     * text, or where the record stands if it has none.
     */
    Decision.Reason reason(Slot<?> slot, Decision decision) {
        switch (slot.id) {
            case TEXT -> id(slot.text.getBytes(), 0, slot.text.getByteLength());
            case NUMBER -> {
                int at = digits(slot.number);
                id(digits, at, digits.length - at);
            }
            default -> {
                byte[] place = (topic + "-" + slot.partition + "-" + slot.offset).getBytes(StandardCharsets.UTF_8);
                id(place, 0, place.length);
            }
        }
        return decision.review(idBytes, idStart, idLength);
    }

    private void id(byte[] bytes, int start, int count) {
        idBytes = bytes;
        idStart = start;
        idLength = count;
    }

    byte[] copyOfId() {
        return Arrays.copyOfRange(idBytes, idStart, idStart + idLength);
    }

    private void start(byte[] prefix) {
        System.arraycopy(prefix, 0, buffer, 0, prefix.length);
        length = prefix.length;
    }

    private void fields(Slot<?> slot, float score, Decision decision, long scoredMicros) {
        identity(slot);
        number(score);
        whole(decision.ordinal());
        room(constants.length);
        System.arraycopy(constants, 0, buffer, length, constants.length);
        length += constants.length;
        whole(slot.partition);
        whole(slot.offset);
        optional(slot.timestamp >= 0, slot.timestamp);
        buffer[length++] = NULL; // no registry id
        buffer[length++] = PRESENT;
        bytes(slot.schemaName, 0, slot.schemaName.length);
        buffer[length++] = NULL; // no GUID
        whole(slot.received);
        whole(scoredMicros);
        buffer[length++] = 0; // no fallback
        buffer[length++] = 0; // not late
        buffer[length++] = 0; // epoch
        for (int planned = 0; planned < PLANNED; planned++) {
            buffer[length++] = NULL;
        }
    }

    private void identity(Slot<?> slot) {
        if (slot.id == Slot.Id.ABSENT) {
            buffer[length++] = NULL;
        } else {
            buffer[length++] = PRESENT;
            if (slot.id == Slot.Id.TEXT) {
                bytes(slot.text.getBytes(), 0, slot.text.getByteLength());
            } else {
                int at = digits(slot.number);
                bytes(digits, at, digits.length - at);
            }
        }
        optional(slot.hasEventTime, slot.eventTime);
    }

    private byte[] taken() {
        if (length >= byLength.length) {
            return Arrays.copyOf(buffer, length);
        }
        byte[] exact = byLength[length];
        if (exact == null) {
            exact = new byte[length];
            byLength[length] = exact;
        }
        System.arraycopy(buffer, 0, exact, 0, length);
        return exact;
    }

    private void optional(boolean isThere, long value) {
        buffer[length++] = (byte) (isThere ? PRESENT : NULL);
        if (isThere) {
            whole(value);
        }
    }

    private void whole(long value) {
        length += BinaryData.encodeLong(value, buffer, length);
    }

    private void number(double value) {
        length += BinaryData.encodeDouble(value, buffer, length);
    }

    private void text(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        bytes(utf8, 0, utf8.length);
    }

    private void bytes(byte[] from, int start, int count) {
        room(count);
        whole(count);
        System.arraycopy(from, start, buffer, length, count);
        length += count;
    }

    /** Makes sure that this many bytes and all numbers of a record still fit. */
    private void room(int count) {
        if (buffer.length - length < count + ROOM / 4) {
            buffer = Arrays.copyOf(buffer, 2 * (length + count + ROOM));
        }
    }

    /** Writes a number's decimal digits to the end of {@code digits}; returns where they start. */
    private int digits(long value) {
        int at = digits.length;
        long rest = value;
        do {
            digits[--at] = DIGITS[(int) Math.abs(rest % 10)];
            rest /= 10;
        } while (rest != 0);
        if (value < 0) {
            digits[--at] = '-';
        }
        return at;
    }
}
