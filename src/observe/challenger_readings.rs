//! How the families of challengers are read. Without challengers they have no series.

use std::fmt;

use super::challengers::ShownChallenger;
use super::exposition::Series;
use super::readings::Scrape;
use crate::compare::Comparison;

fn each(scrape: &Scrape<'_>, visit: impl FnMut(&ShownChallenger) -> fmt::Result) -> fmt::Result {
    scrape.challengers().iter().try_for_each(visit)
}

fn each_comparison(scrape: &Scrape<'_>, mut visit: impl FnMut(&str, &Comparison) -> fmt::Result) -> fmt::Result {
    let all = scrape.challengers().iter().zip(scrape.comparisons());
    all.into_iter().try_for_each(|(of, comparison)| visit(&of.package.name, comparison))
}

pub(super) fn challenger(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each(scrape, |of| {
        let package = &of.package;
        series.info(&[&package.name, &package.model, &package.version, &package.sha256])
    })
}

pub(super) fn challenger_records_sampled(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each(scrape, |of| series.count(&[&of.package.name], of.sum(|lane| lane.sampled.get())))
}

pub(super) fn challenger_records_shed(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each(scrape, |of| series.count(&[&of.package.name], of.sum(|lane| lane.shed.get())))
}

pub(super) fn challenger_records_compared(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each_comparison(scrape, |name, comparison| series.count(&[name], comparison.compared()))
}

/// The reasons that occurred.
pub(super) fn challenger_records_failed(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each(scrape, |of| of.failures().try_for_each(|(reason, count)| series.count(&[&of.package.name, reason], count)))
}

pub(super) fn challenger_rows_written(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each(scrape, |of| series.count(&[&of.package.name], of.sum(|lane| lane.written.get())))
}

pub(super) fn challenger_rows_lost(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each(scrape, |of| series.count(&[&of.package.name], of.sum(|lane| lane.lost.get())))
}

pub(super) fn challenger_flips(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each_comparison(scrape, |name, comparison| {
        series.count(&[name, "stricter"], comparison.stricter())?;
        series.count(&[name, "milder"], comparison.milder())
    })
}

pub(super) fn challenger_scores_differing(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    each_comparison(scrape, |name, comparison| series.count(&[name], comparison.differing()))
}

/// What is not known yet has no series, here and below.
fn gauge(scrape: &Scrape<'_>, series: &mut Series<'_>, of: impl Fn(&Comparison) -> Option<f64>) -> fmt::Result {
    each_comparison(scrape, |name, comparison| of(comparison).map_or(Ok(()), |value| series.gauge(&[name], value)))
}

pub(super) fn challenger_agreement_ratio(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    gauge(scrape, series, Comparison::agreement)
}

pub(super) fn challenger_score_difference_mean(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    gauge(scrape, series, Comparison::mean_difference)
}

pub(super) fn challenger_score_difference_max(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    gauge(scrape, series, |comparison| comparison.difference_quantiles().map(|of| of.max))
}

pub(super) fn challenger_score_psi(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    gauge(scrape, series, |comparison| comparison.psi_of_scores().map(|psi| psi.value))
}

pub(super) fn challenger_score_psi_critical(scrape: &Scrape<'_>, series: &mut Series<'_>) -> fmt::Result {
    gauge(scrape, series, |comparison| comparison.psi_of_scores().map(|psi| psi.critical))
}
