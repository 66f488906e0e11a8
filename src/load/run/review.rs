//! After a run, when nothing is measured any more: a sample of the scores is checked, broken promises are located, and
//! scores are written down.

use std::io::Write;
use std::path::Path;

use crate::error::{Fatal, exit};
use crate::load::report::summary::Summary;
use crate::load::run::plan::LoadPlan;
use crate::load::simulate::payloads::Pool;
use crate::load::simulate::poison::Corpus;
use crate::load::verify::faults::{FaultKind, Input, locate};
use crate::load::verify::oracle::{self, Oracle};
use crate::load::verify::verifier::Findings;

/// What the review needs of the run.
pub struct Review<'a> {
    pub plan: &'a LoadPlan,
    pub run: u64,
    pub corpus: &'a Corpus,
    pub pool: &'a mut Pool,
}

impl Review<'_> {
    /// Adds to the summary what it finds.
    ///
    /// # Errors
    /// Those of reading the input again, and of writing the scores.
    pub fn carry_out(
        self,
        findings: &mut Findings,
        oracle: Option<&mut (dyn Oracle + '_)>,
        summary: &mut Summary,
    ) -> Result<(), Fatal> {
        if let Some(path) = &self.plan.scores_to {
            write_scores(path, &findings.scores, self.corpus)?;
        }
        let firsts = &mut findings.accounting.firsts;
        if let Some(oracle) = oracle {
            let verdict = oracle::check(oracle, &findings.sample, self.pool, self.corpus, firsts);
            (summary.scores_checked, summary.wrong_scores) = (verdict.checked, verdict.wrong);
        }
        for sequence in &summary.first_lost {
            firsts.note(FaultKind::Lost, *sequence);
        }
        let plan = self.plan;
        let input = Input {
            bootstrap: &plan.bootstrap,
            properties: &plan.merged(&plan.consumer_properties),
            topic: plan.topics.input(),
            start: &findings.input_start,
        };
        summary.faults = locate(&input, self.run, firsts)?;
        Ok(())
    }
}

/// The score of each row of the source: records less the poison between them.
fn write_scores(path: &Path, scores: &[f64], corpus: &Corpus) -> Result<(), Fatal> {
    let write = || -> std::io::Result<()> {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        writeln!(file, "row,score")?;
        let sound = scores.iter().zip(0..).filter(|(_, sequence)| corpus.at(*sequence).is_none());
        for (row, (score, _)) in sound.enumerate().filter(|(_, (score, _))| !score.is_nan()) {
            writeln!(file, "{row},{score}")?;
        }
        file.flush()
    };
    write().map_err(|error| {
        Fatal::new(exit::FAILED, format!("cannot write {}: {error}", path.display()), "check the folder")
    })
}
