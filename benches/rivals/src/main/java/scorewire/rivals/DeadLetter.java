package scorewire.rivals;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/** Why a record is a dead letter, as headers: the ones of scorewire that say most. */
final class DeadLetter {
    private static final String PREFIX = "__scorewire.errors.";

    private DeadLetter() {}

    static List<Header> headers(Rejected why, String topic, int partition, long offset, String modelVersion) {
        return List.of(
                new RecordHeader(PREFIX + "reason", why.reason),
                new RecordHeader(PREFIX + "stage", why.stage),
                header("topic", topic),
                header("partition", Integer.toString(partition)),
                header("offset", Long.toString(offset)),
                header("model_version", modelVersion));
    }

    private static Header header(String name, String text) {
        return new RecordHeader(PREFIX + name, text.getBytes(StandardCharsets.UTF_8));
    }
}
