package scorewire.rivals;

import java.nio.charset.StandardCharsets;

/** Why one record is a dead letter. Made once each and without a stack trace: poison must be cheap. */
final class Rejected extends Exception {
    static final Rejected TOMBSTONE = new Rejected("tombstone", "intake");
    static final Rejected UNKNOWN_WIRE_FORM = new Rejected("unknown_wire_form", "decode");
    static final Rejected UNKNOWN_SCHEMA = new Rejected("unknown_schema", "decode");
    static final Rejected TRUNCATED = new Rejected("truncated", "decode");
    static final Rejected TRAILING_BYTES = new Rejected("trailing_bytes", "decode");
    static final Rejected BAD_UNION_BRANCH = new Rejected("bad_union_branch", "decode");
    static final Rejected BAD_ENUM_SYMBOL = new Rejected("bad_enum_symbol", "decode");
    static final Rejected MISSING_FEATURE = new Rejected("missing_feature", "decode");
    static final Rejected NON_FINITE_FEATURE = new Rejected("non_finite_feature", "decode");
    static final Rejected FEATURE_OUT_OF_RANGE = new Rejected("feature_out_of_range", "decode");
    static final Rejected NON_FINITE_SCORE = new Rejected("non_finite_score", "score");
    static final Rejected SCORE_OUT_OF_RANGE = new Rejected("score_out_of_range", "score");

    private static final long serialVersionUID = 1;

    final transient byte[] reason;
    final transient byte[] stage;

    private Rejected(String reason, String stage) {
        super(reason, null, false, false);
        this.reason = reason.getBytes(StandardCharsets.UTF_8);
        this.stage = stage.getBytes(StandardCharsets.UTF_8);
    }
}
