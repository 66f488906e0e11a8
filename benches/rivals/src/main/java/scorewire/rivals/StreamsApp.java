package scorewire.rivals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;

/** Kafka Streams with one processor that scores in micro-batches, or record by record with {@code --batch 1}. */
public final class StreamsApp {
    private static final int BATCH_ROWS = 128;
    private static final Duration CLOSE_WAIT = Duration.ofSeconds(30);
    private static final long READY_CHECK_MS = 10;

    private StreamsApp() {}

    public static void main(String[] args) {
        CountDownLatch stop = new CountDownLatch(1);
        Clients.untilTerminated(stop::countDown, () -> {
            run(Options.parse(args, BATCH_ROWS), stop);
            return null;
        });
    }

    private static void run(Options options, CountDownLatch stop) throws Exception {
        Contract contract = Contract.open(options.packageFolder());
        int partitions;
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", (Object) options.bootstrap()))) {
            partitions = admin.describeTopics(List.of(options.input())).allTopicNames().get()
                    .get(options.input()).partitions().size();
        }
        Scorer scorer = new Scorer(contract, options.batchRows());
        new MicroBatch<Void>(contract, options, scorer).warmUp(Clients.WARM_UP_RECORDS, new Nowhere<>());
        Path state = Files.createTempDirectory("rival-streams");
        KafkaStreams streams = new KafkaStreams(
                topology(options, contract, scorer, partitions), settings(options, state));
        Throwable[] failure = new Throwable[1];
        streams.setUncaughtExceptionHandler(thrown -> {
            failure[0] = thrown;
            stop.countDown();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        boolean isReady = false;
        while (!stop.await(READY_CHECK_MS, TimeUnit.MILLISECONDS) && !isReady) {
            if (isReady(streams, partitions)) {
                isReady = true;
                System.out.println("ready");
            }
        }
        stop.await();
        boolean isClosed = streams.close(CloseOptions.timeout(CLOSE_WAIT)
                .withGroupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP));
        if (failure[0] != null) {
            throw new Failure(74, "the stream thread ended: " + failure[0], failure[0]);
        }
        if (!isClosed) {
            throw new Failure(75, "Streams did not close within " + CLOSE_WAIT);
        }
    }

    private static boolean isReady(KafkaStreams streams, int partitions) {
        return streams.state() == KafkaStreams.State.RUNNING
                && streams.metadataForLocalThreads().stream()
                        .mapToInt(thread -> thread.activeTasks().size()).sum() == partitions;
    }

    private static Topology topology(Options options, Contract contract, Scorer scorer, int partitions) {
        var partitioner = Outcome.partitioner(partitions);
        var keys = new ByteArraySerializer();
        Topology topology = new Topology();
        topology.addSource("input", new ByteArrayDeserializer(), new ByteArrayDeserializer(), options.input());
        topology.addProcessor("score", () -> new ScoringProcessor(contract, options, scorer), "input");
        topology.addSink("outputs", options.outputs(), keys, Outcome.serializer(), partitioner, "score");
        if (options.review() != null) {
            topology.addSink("review", options.review(), keys, Outcome.serializer(), "score");
        }
        topology.addSink("dead-letters", options.deadLetters(), keys, Outcome.serializer(), partitioner, "score");
        return topology;
    }

    private static Properties settings(Options options, Path state) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, options.group());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.bootstrap());
        settings.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        // Record by record Streams commits; in micro-batches the processor asks for it, where no batch is half full.
        long interval = options.batchRows() == 1 ? Clients.COMMIT_INTERVAL_MS : Long.MAX_VALUE;
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, interval);
        // Several polls' worth: a partition is not paused in a drain.
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        settings.put(StreamsConfig.ENABLE_METRICS_PUSH_CONFIG, false);
        Map<String, Object> consumer = Clients.consumer(options.consumer());
        consumer.put(ConsumerConfig.INTERCEPTOR_CLASSES_CONFIG, Polled.class.getName());
        consumer.forEach((key, value) -> settings.put(StreamsConfig.mainConsumerPrefix(key), value));
        Clients.producer(options.producer())
                .forEach((key, value) -> settings.put(StreamsConfig.producerPrefix(key), value));
        return settings;
    }
}
