//! Why a model answered as it did: what each input column of a row added to the answer, against a
//! background of ordinary rows (Shapley values, as the shap package has them).
//!
//! A lone tree ensemble is explained exactly, in its raw score (`engine::Trees`), also without a background where
//! its file carries the counts of training rows. Everything else, pipelines
//! too, is explained by asking it (`kernel`): columns taken from background rows, all coalitions of up to
//! 11 columns, a sample of them beyond. The columns are those the model takes, before any preparation.
//! Invariants: base value and attributions add up to the explained value; the work is bounded before it
//! begins, by the number of steps and by a deadline; predictions keep a core of their own.

mod answer;
mod background;
mod coalitions;
mod kernel;
mod question;
mod routes;
mod sample;
#[cfg(test)]
mod tests;
mod work;

pub use routes::{Explainer, router};

/// One request explained.
#[derive(Debug)]
pub struct Explanation {
    pub features: Vec<String>,
    pub outputs: Vec<String>,
    pub rows: usize,
    /// By output: the explained value where nothing is known of the row.
    pub base: Vec<f64>,
    /// By row and output.
    pub values: Vec<f64>,
    /// By row, feature and output.
    pub attributions: Vec<f64>,
    pub how: How,
}

/// How an explanation was made.
#[derive(Clone, Debug, PartialEq)]
pub struct How {
    pub method: Method,
    /// `raw` for the score of trees, else the output's name.
    pub explained: String,
    /// Where the background came from, and its rows; none where the trees' own counts took its place.
    pub background: Option<(&'static str, usize)>,
    /// Coalitions asked for a row, and the seed that drew them; of a sample only.
    pub sample: Option<(usize, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Tree,
    TreeByCovers,
    KernelExact,
    KernelSampled,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::TreeByCovers => "tree-path-dependent",
            Self::KernelExact => "kernel-exact",
            Self::KernelSampled => "kernel-sampled",
        }
    }
}
