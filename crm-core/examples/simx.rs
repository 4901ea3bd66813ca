use crm_core::cib::{parse, upgrade};
use crm_core::rules::Moment;
use crm_core::scheduler::{Input, schedule};
fn main() {
    // many files in one process: sim OUTDIR FILE...
    let args: Vec<String> = std::env::args().skip(1).collect();
    let out = &args[0];
    for f in &args[1..] {
        let name = std::path::Path::new(f).file_stem().unwrap().to_string_lossy().to_string();
        let text = std::fs::read_to_string(f).unwrap();
        let r = std::panic::catch_unwind(|| {
            let cib = upgrade(&parse(&text).unwrap()).unwrap();
            let wall = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap()
                .as_secs() as i64;
            let now = cib.attr("execution-date").and_then(|v| v.parse().ok()).unwrap_or(wall);
            let t = std::time::Instant::now();
            let s = schedule(&Input {
                sanitized: true,
                ..Input::new(&cib, Moment { epoch: now, offset: 0 })
            });
            let el = t.elapsed();
            if std::env::var("T").is_ok() {
                eprintln!(
                    "{name} {el:?} actions {} links {}",
                    s.cluster.actions.len(),
                    s.cluster.links.len()
                );
            }
            std::fs::write(format!("{out}/{name}.exp"), s.graph.to_element().to_pretty()).unwrap();
            std::fs::write(
                format!("{out}/{name}.dot"),
                s.graph.to_dot(std::env::var("IDS").is_ok()),
            )
            .unwrap();
        });
        if r.is_err() {
            eprintln!("PANIC {name}");
        }
    }
}
