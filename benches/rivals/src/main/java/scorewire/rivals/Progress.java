package scorewire.rivals;

import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * What may be committed: the offsets up to which every outcome is acknowledged. Records are counted by epochs of one
 * commit interval each; an epoch is done when all its outcomes are acknowledged, and offsets move over done epochs in
 * their order. The epoch itself is the producer's callback, so none is made for a record.
 */
final class Progress {
    /** What was received between two commits. Acknowledgements come on the producer's own thread. */
    private static final class Epoch implements Callback {
        final Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
        final AtomicInteger unacknowledged = new AtomicInteger();
        final AtomicReference<Exception> failure;

        Epoch(AtomicReference<Exception> failure) {
            this.failure = failure;
        }

        @Override
        public void onCompletion(RecordMetadata metadata, Exception exception) {
            if (exception != null) {
                failure.compareAndSet(null, exception);
            }
            unacknowledged.decrementAndGet();
        }
    }

    private final AtomicReference<Exception> failure = new AtomicReference<>();
    private final ArrayDeque<Epoch> closed = new ArrayDeque<>();
    private Epoch open = new Epoch(failure);

    /** Announces an outcome; returns the callback to send it with. */
    Callback sending() {
        open.unacknowledged.incrementAndGet();
        return open;
    }

    /** All records of the partition before {@code offset} have been handed to the producer. */
    void received(TopicPartition partition, long offset) {
        open.next.put(partition, new OffsetAndMetadata(offset));
    }

    /** Ends the epoch and returns what may be committed now; empty for nothing new. */
    Map<TopicPartition, OffsetAndMetadata> turn() {
        throwIfFailed();
        if (!open.next.isEmpty()) {
            closed.add(open);
            open = new Epoch(failure);
        }
        Map<TopicPartition, OffsetAndMetadata> committable = new HashMap<>();
        while (!closed.isEmpty() && closed.peek().unacknowledged.get() == 0) {
            committable.putAll(closed.poll().next);
        }
        // An epoch's failure is seen before its last acknowledgement is.
        throwIfFailed();
        return committable;
    }

    /** The first failed delivery ends the process: at least once, and in order. */
    void throwIfFailed() {
        Exception first = failure.get();
        if (first != null) {
            throw new Failure(74, "an outcome could not be delivered: " + first, first);
        }
    }
}
