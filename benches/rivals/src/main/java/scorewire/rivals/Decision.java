package scorewire.rivals;

import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/** In the order of the output schema's symbols. */
enum Decision {
    APPROVE,
    REVIEW,
    DECLINE;

    /** Why a record is looked at by people, in the order of the review schema's symbols. */
    enum Reason {
        SAMPLE,
        BAND
    }

    /** scorewire's default share of sampled records, 1,000 in a million, as a share of all hashes. */
    private static final long SAMPLE_BELOW = Long.divideUnsigned(-1L, 1_000);

    /** The header of an output, by the decision's place: it and the model's version. */
    static Header[] headers(String modelVersion) {
        Header[] headers = new Header[values().length];
        for (Decision decision : values()) {
            byte[] value = (decision.name() + " " + modelVersion).getBytes(StandardCharsets.UTF_8);
            headers[decision.ordinal()] = new RecordHeader("scorewire.outcome", value);
        }
        return headers;
    }

    static Decision of(float score, Contract contract) {
        return score >= contract.declineThreshold() ? DECLINE : score >= contract.reviewThreshold() ? REVIEW : APPROVE;
    }

    /** Null: nobody looks at it. */
    Reason review(byte[] id, int start, int length) {
        if (this == REVIEW) {
            return Reason.BAND;
        }
        return Long.compareUnsigned(hash(id, start, length), SAMPLE_BELOW) < 0 ? Reason.SAMPLE : null;
    }

    /** 64-bit FNV-1a, then MurmurHash3's final mix: scorewire samples by it. */
    private static long hash(byte[] id, int start, int length) {
        long hash = 0xcbf29ce484222325L;
        for (int at = start; at < start + length; at++) {
            hash = (hash ^ id[at] & 0xFF) * 0x100000001b3L;
        }
        hash = (hash ^ hash >>> 33) * 0xff51afd7ed558ccdL;
        hash = (hash ^ hash >>> 33) * 0xc4ceb9fe1a85ec53L;
        return hash ^ hash >>> 33;
    }
}
