package scorewire.rivals;

import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerInterceptor;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * Counts what Streams has polled and not yet processed: a processor sees one record at a time and has no other way to
 * know that a poll's last record is the last one, where a micro-batch must not wait any longer. One stream thread,
 * which also polls: no synchronisation.
 */
public final class Polled implements ConsumerInterceptor<byte[], byte[]> {
    private static final int PARTITIONS_MAX = 4096;
    private static final int[] WAITING = new int[PARTITIONS_MAX];
    private static int waiting;

    /** A record of the partition is being processed. True: the last one that was polled of it. */
    static boolean take(int partition) {
        waiting--;
        return --WAITING[partition] == 0;
    }

    /** Whether all that was polled is processed. */
    static boolean isAllTaken() {
        return waiting == 0;
    }

    /** The partition is somebody else's now, and what was polled of it with it. */
    static void forget(int partition) {
        waiting -= WAITING[partition];
        WAITING[partition] = 0;
    }

    @Override
    public ConsumerRecords<byte[], byte[]> onConsume(ConsumerRecords<byte[], byte[]> records) {
        for (TopicPartition partition : records.partitions()) {
            int count = records.records(partition).size();
            WAITING[partition.partition()] += count;
            waiting += count;
        }
        return records;
    }

    @Override
    public void onCommit(Map<TopicPartition, OffsetAndMetadata> offsets) {}

    @Override
    public void configure(Map<String, ?> settings) {}

    @Override
    public void close() {}
}
