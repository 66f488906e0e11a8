package scorewire.rivals;

import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;

/** Settings of Kafka's clients that both rivals share, each with its reason, and how a process ends. */
final class Clients {
    /** How often progress is committed: scorewire's default. */
    static final int COMMIT_INTERVAL_MS = 100;
    /** Records that go the whole way before the process calls itself ready. */
    static final int WARM_UP_RECORDS = 100_000;

    private Clients() {}

    static Map<String, Object> consumer(Properties overrides) {
        Map<String, Object> settings = new HashMap<>();
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        // As scorewire: 45 s would stall a crashed node's partitions that long.
        settings.put(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, 10_000);
        settings.put(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 3_000);
        settings.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        // The answer comes with the first record.
        settings.put(ConsumerConfig.FETCH_MIN_BYTES_CONFIG, 1);
        settings.put(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, 500);
        // A drain's fetches are worth their round trip.
        settings.put(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, 4 << 20);
        // Each poll costs several microseconds whatever it returns.
        settings.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 2_000);
        settings.put(ConsumerConfig.RECEIVE_BUFFER_CONFIG, -1);
        quiet(settings);
        overrides.forEach((key, value) -> settings.put((String) key, value));
        return settings;
    }

    static Map<String, Object> producer(Properties overrides) {
        Map<String, Object> settings = new HashMap<>();
        settings.put(ProducerConfig.ACKS_CONFIG, "all");
        settings.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
        // The client's default since 4.0 is 5 ms, more than a whole journey takes. What is sent while five requests are
        // under way still travels together.
        settings.put(ProducerConfig.LINGER_MS_CONFIG, 0);
        settings.put(ProducerConfig.BATCH_SIZE_CONFIG, 256 << 10);
        settings.put(ProducerConfig.BUFFER_MEMORY_CONFIG, 64L << 20);
        settings.put(ProducerConfig.SEND_BUFFER_CONFIG, -1);
        // Never a gap: a record is delivered, or the process ends and its successor scores it again.
        settings.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, Integer.MAX_VALUE);
        quiet(settings);
        overrides.forEach((key, value) -> settings.put((String) key, value));
        return settings;
    }

    private static void quiet(Map<String, Object> settings) {
        settings.put("enable.metrics.push", false);
        settings.put("metric.reporters", "");
    }

    /**
     * Runs {@code body}, which returns once {@code stop} was called, and ends the process: with 0 after SIGTERM, with
     * the failure's code otherwise.
     */
    static void untilTerminated(Runnable stop, Callable<Void> body) {
        CountDownLatch done = new CountDownLatch(1);
        // Java would end with 143; whoever asks for an orderly end is told that it was one.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stop.run();
            try {
                done.await();
            } catch (InterruptedException ended) {
                Thread.currentThread().interrupt();
            }
            Runtime.getRuntime().halt(0);
        }));
        int code = 1;
        try {
            body.call();
            done.countDown();
            return;
        } catch (Failure failure) {
            System.err.println("rival: " + failure.getMessage());
            code = failure.code;
        } catch (Exception failure) {
            System.err.println("rival: " + failure);
        }
        Runtime.getRuntime().halt(code);
    }
}
