#![allow(missing_docs, clippy::all)]
#[path = "simulate/rollout.rs"]
#[allow(unreachable_pub)]
mod rollout;
use clodo_judge::*;
use rollout::*;
fn main() {
    let bounds = Bounds::default();
    for step in [5, 50, 500, 50000] {
        let mut r = RollOut::new(1, 1, Traffic { step, to_canary: 0.3 }, &bounds);
        let v = Version { errors: 0.005, median: 50.0 };
        let s = std::time::Instant::now();
        let batches: Vec<_> = (0..2000).map(|_| r.batch(v, v)).collect();
        println!("sample {:?}", s.elapsed() / 2000);
        for o in [
            JudgeOptions::default(),
            JudgeOptions::default().with_quantiles([]),
            JudgeOptions::default().with_error_tolerance(0.01),
            JudgeOptions::default().with_quantiles([Quantile::P50, Quantile::P95, Quantile::P99]),
        ] {
            let mut j = Judge::new(o).unwrap();
            let s = std::time::Instant::now();
            for b in &batches {
                j.observe(b).unwrap();
            }
            let a = s.elapsed() / 2000;
            let s = std::time::Instant::now();
            for _ in &batches {
                std::hint::black_box(j.verdict());
            }
            println!(
                "{step}: observe {a:?} verdict {:?} size {}",
                s.elapsed() / 2000,
                serde_json::to_string(&j).unwrap().len()
            );
        }
    }
}
