package scorewire.rivals;

import java.util.Optional;
import java.util.Set;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.processor.StreamPartitioner;

/** A value on its way through Streams' topology, with the partition it belongs in. */
final class Outcome {
    private static final int PARTITIONS_MAX = 4096;
    /** Answers of the partitioner, made once. */
    @SuppressWarnings({"unchecked", "rawtypes"})
    private static final Optional<Set<Integer>>[] KEPT = new Optional[PARTITIONS_MAX];

    byte[] value;
    int partition;

    Outcome of(byte[] bytes, int keptPartition) {
        value = bytes;
        partition = keptPartition;
        return this;
    }

    static Serializer<Outcome> serializer() {
        return (topic, outcome) -> outcome.value;
    }

    /** The source's partition where the output topic has as many, otherwise the client's choice by the key. */
    static StreamPartitioner<byte[], Outcome> partitioner(int inputPartitions) {
        for (int partition = 0; partition < inputPartitions; partition++) {
            KEPT[partition] = Optional.of(Set.of(partition));
        }
        return (topic, key, outcome, count) -> count == inputPartitions ? KEPT[outcome.partition] : Optional.empty();
    }
}
