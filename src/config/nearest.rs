//! Did you mean: the name that was probably meant by one that is unknown.

/// The candidate closest to `path`: the same last word in another section, one that begins so, or few letters away.
pub fn nearest<'a>(path: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let distance_max = (path.len() / 4).max(2);
    candidates
        .map(|name| {
            let distance = strsim::damerau_levenshtein(path, name);
            let moved = path.contains('.') && last(path) == last(name);
            let cut = path.contains('.') && name.strip_prefix(path).is_some_and(|rest| rest.starts_with('_'));
            (if moved || cut { distance.min(distance_max) } else { distance }, name)
        })
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
