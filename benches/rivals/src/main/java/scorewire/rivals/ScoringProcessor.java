package scorewire.rivals;

import ai.onnxruntime.OrtException;
import java.time.Duration;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/**
 * Collects the records of its task until the batch is full or the last record of a poll is there, and scores them.
 *
 * <p>Streams believes a record to be done when {@code process} returns, and would commit records that still wait in the
 * batch. So it never commits by itself: the processor asks for it, between the last record of one poll and the first of
 * the next, when no task holds one back.
 */
final class ScoringProcessor
        implements Processor<byte[], byte[], byte[], Outcome>, MicroBatch.Outlet<Record<byte[], byte[]>> {
    private final Contract contract;
    private final Options options;
    private final Header[] outcomeHeaders;
    private final Outcome outcome = new Outcome();
    private final MicroBatch<Record<byte[], byte[]>> batch;
    private ProcessorContext<byte[], Outcome> context;
    private int partition;
    private boolean isCommitDue;

    ScoringProcessor(Contract contract, Options options, Scorer scorer) {
        this.contract = contract;
        this.options = options;
        batch = new MicroBatch<>(contract, options, scorer);
        outcomeHeaders = Decision.headers(contract.version());
    }

    @Override
    public void init(ProcessorContext<byte[], Outcome> context) {
        this.context = context;
        partition = context.taskId().partition();
        if (options.batchRows() > 1) {
            Duration interval = Duration.ofMillis(Clients.COMMIT_INTERVAL_MS);
            context.schedule(interval, PunctuationType.WALL_CLOCK_TIME, now -> {
                isCommitDue = true;
                commitIfAllIsDone();
            });
        }
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        RecordMetadata place = context.recordMetadata().orElseThrow();
        Slot<Record<byte[], byte[]>> slot = batch.next();
        slot.source = record;
        slot.payload = record.value();
        slot.start = 0;
        slot.length = record.value() == null ? 0 : record.value().length;
        slot.partition = place.partition();
        slot.offset = place.offset();
        slot.timestamp = record.timestamp();
        slot.received = MicroBatch.nowMicros();
        boolean isFull = batch.add();
        boolean isLast = Polled.take(partition);
        if (isFull || isLast) {
            finish();
        }
        if (isCommitDue) {
            commitIfAllIsDone();
        }
    }

    private void finish() {
        try {
            batch.finish(this);
        } catch (OrtException cannot) {
            throw new Failure(74, "the model failed: " + cannot.getMessage(), cannot);
        }
    }

    /** A request of one task commits all of them. */
    private void commitIfAllIsDone() {
        if (Polled.isAllTaken()) {
            isCommitDue = false;
            context.commit();
        }
    }

    @Override
    public void output(Record<byte[], byte[]> source, int partition, byte[] value, Decision decision) {
        forward("outputs", source, source.key(), outcome.of(value, partition), decision);
    }

    @Override
    public void review(Record<byte[], byte[]> source, byte[] id, byte[] value, Decision decision) {
        forward("review", source, id, outcome.of(value, 0), decision);
    }

    private void forward(String sink, Record<byte[], byte[]> source, byte[] key, Outcome value, Decision decision) {
        Record<byte[], Outcome> forwarded = new Record<>(key, value, source.timestamp(), source.headers());
        forwarded.headers().add(outcomeHeaders[decision.ordinal()]);
        context.forward(forwarded, sink);
    }

    @Override
    public void deadLetter(Record<byte[], byte[]> source, int partition, long offset, Rejected why) {
        Outcome value = outcome.of(source.value(), partition);
        Record<byte[], Outcome> forwarded = new Record<>(source.key(), value, source.timestamp(), source.headers());
        Headers headers = forwarded.headers();
        DeadLetter.headers(why, options.input(), partition, offset, contract.version()).forEach(headers::add);
        context.forward(forwarded, "dead-letters");
    }

    @Override
    public void close() {
        Polled.forget(partition);
    }
}
