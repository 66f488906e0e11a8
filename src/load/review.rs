//! After a run, when nothing is measured any more: a sample of the scores is checked, broken promises are located, and
//! scores are written down.

use std::io::Write;
use std::path::Path;

use crate::error::{Fatal, exit};
use crate::load::faults::{FaultKind, locate};
use crate::load::payloads::Pool;
use crate::load::plan::LoadPlan;
use crate::load::poison::Corpus;
use crate::load::referee::{self, Referee};
use crate::load::summary::Summary;
use crate::load::verifier::Findings;

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
        referee: Option<&mut (dyn Referee + '_)>,
        summary: &mut Summary,
    ) -> Result<(), Fatal> {
        if let Some(path) = &self.plan.scores_to {
            write_scores(path, &findings.scores, self.corpus)?;
        }
        let firsts = &mut findings.accounting.firsts;
        if let Some(referee) = referee {
            let verdict = referee::check(referee, &findings.sample, self.pool, self.corpus, firsts);
            (summary.scores_checked, summary.wrong_scores) = (verdict.checked, verdict.wrong);
        }
        for sequence in &summary.first_lost {
            firsts.note(FaultKind::Lost, *sequence);
        }
        summary.faults = locate(self.plan, self.run, &findings.input_start, firsts)?;
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
