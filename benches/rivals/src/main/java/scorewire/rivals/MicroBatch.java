package scorewire.rivals;

import ai.onnxruntime.OrtException;
import java.io.IOException;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;

/**
 * What both rivals do with records: decode each into a row, score the rows together, encode an outcome for
 * each in the order in which they came.
 */
final class MicroBatch<R> {
    /** Where outcomes go. Arrays are valid during the call only. */
    interface Outlet<R> {
        void output(R source, int partition, byte[] value, Decision decision);

        void review(R source, byte[] id, byte[] value, Decision decision);

        void deadLetter(R source, int partition, long offset, Rejected why);
    }

    private final Contract contract;
    private final boolean reviews;
    private final RowReader reader;
    private final Scorer scorer;
    private final Outcomes outcomes;
    private final Slot<R>[] slots;
    private int count;

    /** The scorer may be shared by batches of one thread. */
    MicroBatch(Contract contract, Options options, Scorer scorer) {
        this.contract = contract;
        this.scorer = scorer;
        reviews = options.review() != null;
        reader = new RowReader(contract);
        outcomes = new Outcomes(contract, options.input());
        slots = slots(options.batchRows(), contract.features().size());
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static <R> Slot<R>[] slots(int count, int width) {
        Slot<R>[] slots = new Slot[count];
        Arrays.setAll(slots, at -> new Slot<R>(width));
        return slots;
    }

    /** Microseconds since the epoch. */
    static long nowMicros() {
        Instant now = Instant.now();
        return now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000;
    }

    /** The next slot: to be filled as far as the source's part goes, then {@link #add}ed. */
    Slot<R> next() {
        return slots[count];
    }

    /** Decodes the slot handed out last. True: the batch is full and must be finished. */
    boolean add() {
        Slot<R> slot = slots[count++];
        try {
            reader.read(slot);
            slot.rejected = null;
        } catch (Rejected why) {
            slot.rejected = why;
        }
        return count == slots.length;
    }

    /** Scores what was added and hands out its outcomes. */
    void finish(Outlet<R> outlet) throws OrtException {
        int rows = 0;
        for (int at = 0; at < count; at++) {
            if (slots[at].rejected == null) {
                scorer.put(rows++, slots[at].row);
            }
        }
        if (rows > 0) {
            scorer.score(rows);
        }
        long scoredMicros = nowMicros();
        int row = 0;
        for (int at = 0; at < count; at++) {
            Slot<R> slot = slots[at];
            Rejected why = slot.rejected;
            if (why == null) {
                why = judge(slot, scorer.scored(row++), scoredMicros, outlet);
            }
            if (why != null) {
                outlet.deadLetter(slot.source, slot.partition, slot.offset, why);
            }
            slot.source = null;
            slot.payload = null;
        }
        count = 0;
    }

    /**
     * Lets the compiler see the whole way before the first record comes: random records of the schema, with golden rows
     * where they make none.
     */
    void warmUp(int records, Outlet<R> outlet) throws IOException, OrtException {
        List<byte[]> payloads = Warmth.payloads(contract.schema());
        for (int record = 0; record < records; record++) {
            Slot<R> slot = next();
            slot.payload = payloads.get(record % payloads.size());
            slot.start = 0;
            slot.length = slot.payload.length;
            boolean full = add();
            if (slot.rejected != null) {
                slot.rejected = null;
                System.arraycopy(
                        contract.golden().get(record % contract.golden().size()), 0, slot.row, 0, slot.row.length);
            }
            if (full) {
                finish(outlet);
            }
        }
        finish(outlet);
    }

    private Rejected judge(Slot<R> slot, float score, long scoredMicros, Outlet<R> outlet) {
        if (!Float.isFinite(score)) {
            return Rejected.NON_FINITE_SCORE;
        }
        if (score < 0 || score > 1) {
            return Rejected.SCORE_OUT_OF_RANGE;
        }
        Decision decision = Decision.of(score, contract);
        Decision.Reason reason = reviews ? outcomes.reason(slot, decision) : null;
        if (reason != null) {
            byte[] id = outcomes.copyOfId();
            outlet.review(slot.source, id, outcomes.review(slot, score, decision, reason, scoredMicros), decision);
        }
        byte[] value = outcomes.output(slot, score, decision, scoredMicros);
        outlet.output(slot.source, slot.partition, value, decision);
        return null;
    }
}
