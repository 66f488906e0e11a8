//! Where a model runs, and who scores its trees.

/// Where the model runs: by the configuration, or really.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    Cpu,
    /// An NVIDIA GPU, the first one. Needs a library that was built with CUDA.
    Cuda,
}

impl Provider {
    /// In index order; also the order of the symbols in the output schema.
    pub const ALL: [Provider; 2] = [Provider::Cpu, Provider::Cuda];

    /// As outputs and metrics say it.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Cpu => "CPU",
            Provider::Cuda => "CUDA",
        }
    }
}

/// Who scores tree ensembles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trees {
    /// The own kernel where it gives ONNX Runtime's bits and is the faster one, else ONNX Runtime.
    #[default]
    Auto,
    OnnxRuntime,
}

/// Whether a record's score may depend on the batch it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Determinism {
    /// In its last bits, where the model is such a one: the probe says so.
    #[default]
    Relaxed,
    /// Never: where the probe finds that it does, each call has the same number of rows, or one record alone.
    Strict,
}
