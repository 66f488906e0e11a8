//! Arguments that say which reports to write, shared by the commands that measure.

use std::path::PathBuf;

use clap::Args;

use crate::load::report::files::ReportFiles;

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Reports")]
pub struct ReportArgs {
    /// Write one self-contained HTML page: curves, stages, verdict, configuration and machine
    #[arg(long, value_name = "FILE", env = "SCOREWIRE_REPORT_HTML")]
    html: Option<PathBuf>,
    /// Write an HdrHistogram interval log: microseconds, one interval a second, parts of the way tagged
    #[arg(long, value_name = "FILE", env = "SCOREWIRE_REPORT_HLOG")]
    hlog: Option<PathBuf>,
    /// Write the percentile distribution as HdrHistogram prints it: milliseconds, end to end
    #[arg(long, value_name = "FILE", env = "SCOREWIRE_REPORT_HGRM")]
    hgrm: Option<PathBuf>,
}

impl ReportArgs {
    pub fn files(&self) -> ReportFiles {
        ReportFiles { hlog: self.hlog.clone(), hgrm: self.hgrm.clone(), html: self.html.clone() }
    }
}
