package scorewire.rivals;

import ai.onnxruntime.OrtException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.ByteBufferDeserializer;

/** One consumer, one producer, one thread: poll, score in micro-batches, produce, commit what is acknowledged. */
public final class PlainLoop
        implements ConsumerRebalanceListener, MicroBatch.Outlet<ConsumerRecord<byte[], ByteBuffer>> {
    private static final int BATCH_ROWS = 128;
    /** Also how long a stop may go unnoticed: a wake-up would hit the last commit as well. */
    private static final Duration IDLE_WAIT = Duration.ofMillis(100);
    private static final long COMMIT_INTERVAL_NS = Clients.COMMIT_INTERVAL_MS * 1_000_000L;

    private final Options options;
    private final Contract contract;
    private final Scorer scorer;
    private final MicroBatch<ConsumerRecord<byte[], ByteBuffer>> batch;
    private final KafkaConsumer<byte[], ByteBuffer> consumer;
    private final KafkaProducer<byte[], byte[]> producer;
    private final Progress progress = new Progress();
    private final Header[] outcomeHeaders;
    private final boolean keepsPartition;
    private final boolean keepsDeadLetterPartition;
    private final int inputPartitions;
    private volatile boolean isStopping;

    private PlainLoop(Options options) throws OrtException, IOException {
        this.options = options;
        contract = Contract.open(options.packageFolder());
        scorer = new Scorer(contract, options.batchRows());
        batch = new MicroBatch<>(contract, options, scorer);
        batch.warmUp(Clients.WARM_UP_RECORDS, new Nowhere<>());
        outcomeHeaders = Decision.headers(contract.version());
        consumer = new KafkaConsumer<>(
                consumerSettings(options), new ByteArrayDeserializer(), new ByteBufferDeserializer());
        Map<String, Object> settings = Clients.producer(options.producer());
        settings.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, options.bootstrap());
        producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
        inputPartitions = producer.partitionsFor(options.input()).size();
        keepsPartition = producer.partitionsFor(options.outputs()).size() == inputPartitions;
        keepsDeadLetterPartition = producer.partitionsFor(options.deadLetters()).size() == inputPartitions;
    }

    private static Map<String, Object> consumerSettings(Options options) {
        Map<String, Object> settings = Clients.consumer(options.consumer());
        settings.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, options.bootstrap());
        settings.put(ConsumerConfig.GROUP_ID_CONFIG, options.group());
        settings.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        settings.put(ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG, CooperativeStickyAssignor.class.getName());
        return settings;
    }

    public static void main(String[] args) {
        PlainLoop[] loop = new PlainLoop[1];
        Clients.untilTerminated(
                () -> {
                    if (loop[0] == null) {
                        Runtime.getRuntime().halt(0); // Nothing was taken on yet.
                    }
                    loop[0].isStopping = true;
                },
                () -> {
                    loop[0] = new PlainLoop(Options.parse(args, BATCH_ROWS));
                    loop[0].run();
                    return null;
                });
    }

    private void run() throws OrtException {
        consumer.subscribe(List.of(options.input()), this);
        long commitDue = System.nanoTime() + COMMIT_INTERVAL_NS;
        boolean isReady = false;
        while (!isStopping) {
            ConsumerRecords<byte[], ByteBuffer> records = consumer.poll(IDLE_WAIT);
            if (!isReady && consumer.assignment().size() == inputPartitions) {
                isReady = true;
                System.out.println("ready");
            }
            if (!records.isEmpty()) {
                score(records);
            }
            long now = System.nanoTime();
            if (now - commitDue >= 0) {
                commitDue = now + COMMIT_INTERVAL_NS;
                Map<TopicPartition, OffsetAndMetadata> offsets = progress.turn();
                if (!offsets.isEmpty()) {
                    // A failed commit is made good by the next one.
                    consumer.commitAsync(offsets, null);
                }
            }
        }
        settle();
        consumer.close();
        producer.close();
        scorer.close();
    }

    private void score(ConsumerRecords<byte[], ByteBuffer> records) throws OrtException {
        long received = MicroBatch.nowMicros();
        for (TopicPartition partition : records.partitions()) {
            for (ConsumerRecord<byte[], ByteBuffer> record : records.records(partition)) {
                Slot<ConsumerRecord<byte[], ByteBuffer>> slot = batch.next();
                slot.source = record;
                ByteBuffer value = record.value();
                if (value != null) {
                    // The fetch's own buffer: nothing is copied.
                    slot.payload = value.array();
                    slot.start = value.arrayOffset() + value.position();
                    slot.length = value.remaining();
                }
                slot.partition = record.partition();
                slot.offset = record.offset();
                slot.timestamp = record.timestamp();
                slot.received = received;
                if (batch.add()) {
                    batch.finish(this);
                }
            }
        }
        batch.finish(this);
        records.nextOffsets().forEach((partition, next) -> progress.received(partition, next.offset()));
    }

    @Override
    public void output(ConsumerRecord<byte[], ByteBuffer> source, int partition, byte[] value, Decision decision) {
        send(options.outputs(), keepsPartition ? partition : null, source.key(), value, headers(source, decision));
    }

    @Override
    public void review(ConsumerRecord<byte[], ByteBuffer> source, byte[] id, byte[] value, Decision decision) {
        send(options.review(), null, id, value, headers(source, decision));
    }

    @Override
    public void deadLetter(ConsumerRecord<byte[], ByteBuffer> source, int partition, long offset, Rejected why) {
        List<Header> headers = new ArrayList<>();
        source.headers().forEach(headers::add);
        headers.addAll(DeadLetter.headers(why, options.input(), partition, offset, contract.version()));
        ByteBuffer value = source.value();
        byte[] copy = null;
        if (value != null) {
            copy = new byte[value.remaining()];
            value.duplicate().get(copy);
        }
        send(options.deadLetters(), keepsDeadLetterPartition ? partition : null, source.key(), copy, headers);
    }

    /** The source's headers and ours behind them. */
    private Iterable<Header> headers(ConsumerRecord<byte[], ByteBuffer> source, Decision decision) {
        List<Header> headers = new ArrayList<>(8);
        source.headers().forEach(headers::add);
        headers.add(outcomeHeaders[decision.ordinal()]);
        return headers;
    }

    private void send(String topic, Integer partition, byte[] key, byte[] value, Iterable<Header> headers) {
        producer.send(new ProducerRecord<>(topic, partition, null, key, value, headers), progress.sending());
    }

    /** Waits for what was sent, and commits it. */
    private void settle() {
        producer.flush();
        Map<TopicPartition, OffsetAndMetadata> offsets = progress.turn();
        if (!offsets.isEmpty()) {
            consumer.commitSync(offsets);
        }
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        // The batch is empty between polls, so all that was received has been sent.
        settle();
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        // Nothing to do: positions are the group's committed offsets.
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        // Somebody else scores them again: at least once.
        producer.flush();
        progress.turn();
    }
}
