//! `[model]`.

use super::key::{Given, Key, Reading, Reread, Section, apart};
use super::kinds::{Integer, Path, Place, Word, Words, any_path};
use crate::values::model::{Determinism, Provider, Trees};

const PROVIDERS: Words<Provider> = &[("cpu", Provider::Cpu), ("cuda", Provider::Cuda)];
const TREES: Words<Trees> = &[("auto", Trees::Auto), ("onnxruntime", Trees::OnnxRuntime)];

const DETERMINISM: Words<Determinism> = &[("relaxed", Determinism::Relaxed), ("strict", Determinism::Strict)];

pub const MODEL: Section = Section {
    head: "\n\n[model]",
    keys: &[
        Key {
            name: "model.package",
            kind: &Path { place: Place::Always(|draft| &mut draft.config.model.package), check: any_path },
            given: Given::Required {
                example: r#""models/card-fraud-gbdt""#,
                by: Reading::Whole,
                fix: "name the model package's directory, such as models/card-fraud-gbdt",
            },
            reread: Reread::AtStart,
            text: "
# Required. The package: a directory with the manifest, the model, its reader schema, golden rows and golden records;
# docs/model-package.md says how one is made, `scorewire model check DIR` what it lacks.",
        },
        Key {
            name: "model.onnxruntime",
            kind: &Path { place: Place::Maybe(|draft| &mut draft.config.model.onnxruntime), check: any_path },
            given: Given::Maybe(r#""/opt/onnxruntime/lib/libonnxruntime.so""#),
            reread: Reread::AtStart,
            text: "\n\n# ONNX Runtime's shared library. Default: looked for in the usual places.",
        },
        Key {
            name: "model.provider",
            kind: &Word { words: PROVIDERS, place: Place::Always(|draft| &mut draft.config.model.provider) },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"

# "cpu" or "cuda". A provider that cannot be loaded is an error, never a silent fallback."#,
        },
        Key {
            name: "model.trees",
            kind: &Word { words: TREES, place: Place::Always(|draft| &mut draft.config.model.trees) },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# Who scores tree ensembles on the CPU: "auto" (scorewire's kernel within ONNX Runtime's graph, several times faster,
# where it gives the same bits at every decision of every tree at start, else ONNX Runtime) or "onnxruntime"."#,
        },
        Key {
            name: "model.determinism",
            kind: &Word { words: DETERMINISM, place: Place::Always(|draft| &mut draft.config.model.determinism) },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"

# Whether a record has the same score, to the bit, in whatever batch it is scored: "relaxed" (as the model has it; the start
# says where it does not) or "strict" (where the probe finds that it does not, every call is filled up to 16 rows, or to
# model.batch_rows; where that does not help, each record is a call of its own)."#,
        },
        Key {
            name: "model.batch_slice_us",
            kind: &Integer {
                range: 1..=1_000_000,
                place: Place::Always(|draft| &mut draft.config.model.batch_slice_us),
            },
            given: Given::Default,
            reread: Reread::AtStart,
            text: "
# The batch cap is the size that is cheapest per row, and of several that are about as cheap the largest, whose measured
# model call stays under this slice. Batches are never waited for: they only grow to the cap when that many records wait.",
        },
        Key {
            name: "model.batch_latency_us_max",
            kind: &Integer {
                range: 1..=10_000_000,
                place: Place::Always(|draft| &mut draft.config.model.batch_latency_us_max),
            },
            given: Given::Default,
            reread: Reread::AtStart,
            text: "
# A call may take longer, up to this bound, where no size fits the slice or where the longer call spares at least half of
# what its rows cost otherwise, with a warning. A model whose smallest call is beyond this bound too gets batches, if they
# spare as much, that take no more than twice that call. `scorewire model check` measures with the same defaults.",
        },
        Key {
            name: "model.batch_rows",
            kind: &Integer { range: 1..=65_536, place: Place::Maybe(|draft| &mut draft.config.model.batch_rows) },
            given: Given::Maybe("64"),
            reread: Reread::AtStart,
            text: "\n\n# A batch cap that overrides the measured one.",
        },
        Key {
            name: "model.timeout_ms",
            kind: &Integer { range: 1..=3_600_000, place: Place::Maybe(|draft| &mut draft.config.model.timeout) },
            given: Given::Maybe("100"),
            reread: Reread::AtStart,
            text: r#"
# A batch that the model has not answered within this goes on without a score ([fallback], or topics.timeouts), and so does what
# arrives until the model has answered. Needs lanes.layout = "dedicated": a lane that calls its model itself cannot interrupt
# it. A call that takes limits.watchdog_timeout_ms still ends the process."#,
        },
    ],
    finish: apart,
};
