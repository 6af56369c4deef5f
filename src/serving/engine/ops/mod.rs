//! Our operators, registered over tract's: all of `ai.onnx.ml` that is served, the text operators, and
//! `Cast`, which tract does not do for strings.
//!
//! tract looks an operator up by its name alone. Here one of another domain than ONNX's own is
//! registered, and named in the graph, as `domain:Name`, so that namesakes stay apart.

mod attrs;
mod cast;
mod conv;
mod coupling;
mod dense;
mod encode;
mod kernel;
mod linear;
mod lines;
mod lp_pool;
mod maps;
mod ngrams;
mod product;
mod recurrent;
mod scale;
mod scores;
mod select;
mod sequence;
mod svm;
mod text;
mod tree;
mod turns;
mod vectors;
mod wide;
mod windows;

pub use kernel::{Kernel, of as kernel_of};
pub use maps::json_number;
pub use tree::{Columns, Shares, can_share, interventional, path_dependent};

use tract_onnx::Onnx;
use tract_onnx::prelude::TypedNode;
use tract_onnx::tract_core::ops::cnn::Conv;

/// tract's register with our operators laid over it.
pub fn framework() -> Onnx {
    let mut onnx = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
    let register = &mut onnx.op_register;
    for foreign in tracts_own_of_other_domains() {
        register.0.remove(*foreign);
    }
    register.insert("Cast", cast::cast);
    register.insert(conv::NAME, conv::conv);
    register.insert("CumProd", sequence::cum_prod);
    register.insert("GRU", recurrent::gru);
    register.insert("Gemm", dense::gemm);
    register.insert("LSTM", recurrent::lstm);
    register.insert("LayerNormalization", lines::layer_normalization);
    register.insert("Loop", turns::turns);
    register.insert("LpPool", lp_pool::lp_pool);
    register.insert("MatMul", dense::mat_mul);
    register.insert("RNN", recurrent::rnn);
    register.insert("RegexFullMatch", text::regex_full_match);
    register.insert("ReverseSequence", sequence::reverse_sequence);
    register.insert("Sigmoid", wide::sigmoid);
    register.insert("Softmax", lines::softmax);
    register.insert("StringConcat", text::string_concat);
    register.insert("StringNormalizer", text::string_normalizer);
    register.insert("StringSplit", text::string_split);
    register.insert("TfIdfVectorizer", ngrams::tf_idf_vectorizer);
    register.insert("ai.onnx.ml:ArrayFeatureExtractor", select::array_feature_extractor);
    register.insert("ai.onnx.ml:Binarizer", scale::binarizer);
    register.insert("ai.onnx.ml:CastMap", maps::cast_map);
    register.insert("ai.onnx.ml:CategoryMapper", encode::category_mapper);
    register.insert("ai.onnx.ml:DictVectorizer", maps::dict_vectorizer);
    register.insert("ai.onnx.ml:FeatureVectorizer", select::feature_vectorizer);
    register.insert("ai.onnx.ml:Imputer", scale::imputer);
    register.insert("ai.onnx.ml:LabelEncoder", encode::label_encoder);
    register.insert("ai.onnx.ml:LinearClassifier", linear::linear_classifier);
    register.insert("ai.onnx.ml:LinearRegressor", linear::linear_regressor);
    register.insert("ai.onnx.ml:Normalizer", scale::normalizer);
    register.insert("ai.onnx.ml:OneHotEncoder", encode::one_hot_encoder);
    register.insert("ai.onnx.ml:SVMClassifier", svm::svm_classifier);
    register.insert("ai.onnx.ml:SVMRegressor", svm::svm_regressor);
    register.insert("ai.onnx.ml:Scaler", scale::scaler);
    register.insert("ai.onnx.ml:TreeEnsemble", tree::tree_ensemble);
    register.insert("ai.onnx.ml:TreeEnsembleClassifier", tree::tree_ensemble_classifier);
    register.insert("ai.onnx.ml:TreeEnsembleRegressor", tree::tree_ensemble_regressor);
    register.insert("com.microsoft:Tokenizer", text::tokenizer);
    onnx
}

/// The name an operator is registered under.
pub fn key(op_type: &str, domain: &str) -> String {
    if matches!(domain, "" | "ai.onnx") { op_type.to_owned() } else { format!("{domain}:{op_type}") }
}

/// Whether a planned node works on an image by windows, which is done faster one image at a time.
pub fn is_convolution(node: &TypedNode) -> bool {
    node.op_is::<Conv>() || kernel_of(node.op()).is_some_and(|kernel| kernel.name() == conv::NAME)
}

/// Operators that are taken out of the graph before it is planned.
pub fn is_taken_apart(op_type: &str, domain: &str) -> bool {
    (domain, op_type) == ("ai.onnx.ml", "ZipMap")
}

/// Operators whose input is a map.
pub fn takes_a_map(op_type: &str, domain: &str) -> bool {
    matches!((domain, op_type), ("ai.onnx.ml", "CastMap" | "DictVectorizer"))
}

/// Operators of other domains that tract has under their bare names.
fn tracts_own_of_other_domains() -> &'static [&'static str] {
    &["CategoryMapper", "LinearClassifier", "LinearRegressor", "Normalizer", "TreeEnsembleClassifier"]
}

/// What to export instead of an operator nobody here implements.
pub fn instead_of(op_type: &str, domain: &str) -> &'static str {
    match (domain, op_type) {
        ("ai.onnx" | "ai.onnx.ml", _) => {
            "Export with another target_opset (skl2onnx: {'': 18, 'ai.onnx.ml': 3}) or compute this step before the model."
        }
        _ => {
            "Export with operators of the domains ai.onnx and ai.onnx.ml only; functions of the model's own are \
             taken apart by onnx.inliner.inline_local_functions."
        }
    }
}
