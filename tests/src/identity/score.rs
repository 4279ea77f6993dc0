//! How well a clustering of records agrees with the truth.
//!
//! Pairwise: over all pairs of records of one cluster. Cluster: a found cluster counts if it has exactly the records of a true
//! one. B3: for each record the share of its cluster that is its customer's, and the share of its customer that is in its
//! cluster (Bagga and Baldwin, 1998).
#![expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "shares of counts, for people to read; every cluster that is asked for was counted"
)]

use std::{collections::HashMap, hash::Hash};

/// Precision, recall and their harmonic mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// How much of what was found is right.
    pub precision: f64,
    /// How much of what is right was found.
    pub recall: f64,
}

impl Measure {
    fn of(right: f64, found: f64, wanted: f64) -> Self {
        // Nothing found is nothing wrong.
        let share = |whole: f64| if whole == 0.0 { 1.0 } else { right / whole };
        Self { precision: share(found), recall: share(wanted) }
    }

    /// The harmonic mean.
    #[must_use]
    pub fn f1(&self) -> f64 {
        let sum = self.precision + self.recall;
        if sum == 0.0 { 0.0 } else { 2.0 * self.precision * self.recall / sum }
    }
}

/// All measures of one clustering.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Records.
    pub records: usize,
    /// Clusters found.
    pub found: usize,
    /// True customers.
    pub customers: usize,
    /// Over pairs.
    pub pairwise: Measure,
    /// Over whole clusters.
    pub cluster: Measure,
    /// Over records.
    pub b3: Measure,
}

/// Compares found clusters with true ones, record by record.
#[must_use]
pub fn score<F: Eq + Hash, T: Eq + Hash>(found: &[F], truth: &[T]) -> Score {
    assert_eq!(found.len(), truth.len(), "one answer per record");
    let mut sizes_found: HashMap<&F, usize> = HashMap::new();
    let mut sizes_true: HashMap<&T, usize> = HashMap::new();
    let mut shared: HashMap<(&F, &T), usize> = HashMap::new();
    for (found, truth) in found.iter().zip(truth) {
        *sizes_found.entry(found).or_default() += 1;
        *sizes_true.entry(truth).or_default() += 1;
        *shared.entry((found, truth)).or_default() += 1;
    }
    let pairs = |counts: &mut dyn Iterator<Item = &usize>| -> f64 {
        counts.map(|count| (count * (count - 1) / 2) as f64).sum()
    };
    let pairwise =
        Measure::of(pairs(&mut shared.values()), pairs(&mut sizes_found.values()), pairs(&mut sizes_true.values()));
    let exact = shared.iter().filter(|((f, t), count)| sizes_found[f] == **count && sizes_true[t] == **count).count();
    let cluster = Measure::of(exact as f64, sizes_found.len() as f64, sizes_true.len() as f64);
    let records = truth.len() as f64;
    let mean = |share: &dyn Fn(&F, &T, f64) -> f64| -> f64 {
        let sum: f64 = shared.iter().map(|((f, t), count)| *count as f64 * share(f, t, *count as f64)).sum();
        if records == 0.0 { 1.0 } else { sum / records }
    };
    let b3 = Measure {
        precision: mean(&|f, _, count| count / sizes_found[f] as f64),
        recall: mean(&|_, t, count| count / sizes_true[t] as f64),
    };
    Score { records: truth.len(), found: sizes_found.len(), customers: sizes_true.len(), pairwise, cluster, b3 }
}

/// The value below which that share of the values lies; `values` are sorted.
#[must_use]
pub fn percentile<T: Copy + Default>(values: &[T], hundredths: usize) -> T {
    let place = (values.len() * hundredths).div_ceil(100).saturating_sub(1);
    values.get(place).copied().unwrap_or_default()
}
