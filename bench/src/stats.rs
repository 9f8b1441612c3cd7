//! Times, and what is said about many of them.

use std::time::Duration;

/// Times of one thing, done many times.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) name: String,
    sorted: Vec<Duration>,
}

impl Series {
    pub(crate) fn new(name: impl Into<String>, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { name: name.into(), sorted: times }
    }

    pub(crate) fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The time that `percent` of all stay below (nearest rank), in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let rank = (self.sorted.len() * percent).div_ceil(100).saturating_sub(1);
        self.sorted.get(rank).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }

    pub(crate) fn median_ms(&self) -> f64 {
        self.percentile_ms(50)
    }

    /// One row: name, count, p50, p99, and the spread from p10 to p90.
    pub(crate) fn row(&self) -> String {
        format!(
            "| {} | {} | {:.2} | {:.2} | {:.2} to {:.2} |",
            self.name,
            self.count(),
            self.median_ms(),
            self.percentile_ms(99),
            self.percentile_ms(10),
            self.percentile_ms(90)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let series = Series::new("x", (1..=100).rev().map(Duration::from_millis).collect());
        assert!((series.median_ms() - 50.0).abs() < 1e-9);
        assert!((series.percentile_ms(99) - 99.0).abs() < 1e-9);
        assert!((series.percentile_ms(100) - 100.0).abs() < 1e-9);
        assert!((Series::new("one", vec![Duration::from_millis(3)]).percentile_ms(99) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_measured_is_not_a_number() {
        assert!(Series::new("none", Vec::new()).median_ms().is_nan());
    }
}
