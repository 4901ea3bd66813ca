//! Transition inputs: the CIB that the scheduler saw, one readable file each.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crm_core::cib::Element;
use crm_messaging::proto::InputInfo;

use crate::controller::Series;
use crate::controller::status::property;

/// Bytes of all inputs together: on a large cluster the numbers alone would fill a disk.
const MAX_BYTES: u64 = 256 << 20;
/// An input is not written if less would be left to those who need the disk.
const SPARE_BYTES: u64 = 64 << 20;

/// How many inputs of a series are kept, as Pacemaker 2.1 does: 0 keeps none, -1 all.
fn series_max(cib: &Element, series: Series) -> Option<usize> {
    let (name, default) = match series {
        Series::Input => ("pe-input-series-max", 4000),
        Series::Warn => ("pe-warn-series-max", 5000),
        Series::Error => ("pe-error-series-max", -1),
    };
    let configured = property(cib, name).and_then(|v| v.trim().parse::<i64>().ok());
    usize::try_from(configured.unwrap_or(default)).ok()
}

/// Writes one, then drops what is over the bounds, oldest first.
pub(super) fn write(
    directory: &Path,
    series: Series,
    number: u64,
    now_s: u64,
    mut cib: Element,
) -> std::io::Result<()> {
    let most = series_max(&cib, series);
    if most == Some(0) {
        return Ok(());
    }
    cib.set_attr("execution-date", now_s.to_string());
    let text = cib.to_pretty();
    let space = nix::sys::statvfs::statvfs(directory)?;
    let free = space.blocks_available() * space.fragment_size();
    if free < SPARE_BYTES + text.len() as u64 {
        drop_surplus(directory, series, most, MAX_BYTES / 2);
        return Err(std::io::Error::other(format!(
            "transition input {number} is not kept: only {} MiB are free on the disk",
            free >> 20
        )));
    }
    let new = directory.join("input.new");
    std::fs::write(&new, text)?;
    std::fs::rename(&new, path(directory, &series.name(number)))?;
    drop_surplus(directory, series, most, MAX_BYTES);
    Ok(())
}

fn path(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.xml"))
}

/// What cannot be removed now is tried again with the next input.
fn drop_surplus(directory: &Path, series: Series, most: Option<usize>, bytes: u64) {
    let mut kept = list(directory);
    let same = |i: &InputInfo| Series::parse(&i.name).is_some_and(|(s, _)| s == series);
    let mut over = most.map_or(0, |m| kept.iter().filter(|i| same(i)).count().saturating_sub(m));
    kept.retain(|input| {
        let surplus = over > 0 && same(input);
        if surplus {
            over -= 1;
            let _ = std::fs::remove_file(path(directory, &input.name));
        }
        !surplus
    });
    let mut total: u64 = kept.iter().map(|i| i.bytes).sum();
    // The newest stays, however large.
    for input in kept.iter().take(kept.len().saturating_sub(1)) {
        if total <= bytes {
            break;
        }
        total -= input.bytes;
        let _ = std::fs::remove_file(path(directory, &input.name));
    }
}

/// All that are there, by number. Other files are not looked at.
pub(super) fn list(directory: &Path) -> Vec<InputInfo> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found: Vec<InputInfo> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let name = name.strip_suffix(".xml")?;
            let (_, number) = Series::parse(name)?;
            let meta = entry.metadata().ok()?;
            let time = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
            let time_ms = u64::try_from(time.as_millis()).ok()?;
            Some(InputInfo { name: name.into(), number, time_ms, bytes: meta.len() })
        })
        .collect();
    found.sort_by(|a, b| (a.number, &a.name).cmp(&(b.number, &b.name)));
    found
}

/// The text of one.
pub(super) fn read(directory: &Path, name: &str) -> Result<String, String> {
    // Only names of inputs: nothing else of the disk can be asked for.
    if Series::parse(name).is_none() {
        return Err(format!("'{name}' is not the name of a transition input (pe-input-12)"));
    }
    std::fs::read_to_string(path(directory, name)).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => format!("{name} is not (or no longer) on this node"),
        _ => format!("{name}: {e}"),
    })
}
