package scorewire.rivals;

import org.apache.avro.util.Utf8;

/** One record of a micro-batch: where it came from and what decoding found beside its features. Reused for ever. */
final class Slot<R> {
    enum Id {
        ABSENT,
        NUMBER,
        TEXT
    }

    R source;
    byte[] payload;
    int start;
    int length;
    int partition;
    long offset;
    /** Milliseconds, negative for none. */
    long timestamp;
    /** Microseconds since the epoch. */
    long received;

    /** The fingerprint that the payload carries, as text. */
    byte[] schemaName;
    /** The features in the model's order. */
    final float[] row;
    Id id;
    long number;
    Utf8 text = new Utf8(new byte[64]);
    boolean hasEventTime;
    /** Milliseconds since the epoch. */
    long eventTime;
    /** Null: has a row. */
    Rejected rejected;

    Slot(int width) {
        row = new float[width];
    }
}
