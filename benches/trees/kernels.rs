//! The kernels that can be asked for by name, for a model where `auto` would take another one. What a release has of them
//! is said here and nowhere else in this bench: a kernel of some instructions alone (`avx2-prefix`), and those instructions
//! with the measured choice between their kernels (`avx2`).

use scorewire::model::{Instructions, KernelChoice, Kind, ModelSettings, Session, TreeKernels, TreeNode, prepare};

use crate::package::{Bench, MonotonicClock};

/// Of this build, on this processor.
pub fn names() -> Vec<String> {
    all().into_iter().map(|(name, _)| name).collect()
}

/// Scores the model with one of [`names`]; or says why that one cannot.
pub fn open(bench: &Bench, name: &str) -> Result<Session, String> {
    let (_, tree_kernels) =
        all().into_iter().find(|(known, _)| known == name).ok_or_else(|| format!("there is no kernel `{name}`"))?;
    let settings = ModelSettings { tree_kernels, ..ModelSettings::default() };
    let model = prepare(&bench.dir, &settings, &MonotonicClock).map_err(|fatal| fatal.to_string())?;
    let is_it = |kind: Kind| {
        let has = |node: &TreeNode| matches!(node, TreeNode::Kernel { kernels, .. } if kernels[0].kernel == kind.name() && kernels[0].bytes > 0);
        model.graph.nodes.iter().any(has)
    };
    match tree_kernels.choice {
        KernelChoice::Only(kind) if !is_it(kind) => Err("this model has no such kernel".to_owned()),
        _ => model.session().map_err(|fatal| fatal.to_string()),
    }
}

fn all() -> Vec<(String, TreeKernels)> {
    let mut all = Vec::new();
    for instructions in Instructions::available() {
        let name = instructions.name().to_lowercase().replace("avx-", "avx");
        // Of two that are told by one name, the best is meant.
        if all.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let with = |choice| TreeKernels { instructions, choice };
        if instructions != Instructions::best() {
            all.push((name.clone(), with(KernelChoice::Measured)));
        }
        all.extend(Kind::ALL.map(|kind| (format!("{name}-{}", kind.name()), with(KernelChoice::Only(kind)))));
    }
    all
}
