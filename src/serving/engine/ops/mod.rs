//! Our operators, registered over tract's: all of `ai.onnx.ml` that is served, and `Cast`, which tract
//! does not do for strings.

mod attrs;
mod cast;
mod encode;
mod kernel;
mod linear;
mod scale;
mod scores;
mod select;
mod tree;

use tract_onnx::Onnx;

/// tract's register with our operators laid over it.
pub fn framework() -> Onnx {
    let mut onnx = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
    let register = &mut onnx.op_register;
    register.insert("ArrayFeatureExtractor", select::array_feature_extractor);
    register.insert("Binarizer", scale::binarizer);
    register.insert("Cast", cast::cast);
    register.insert("FeatureVectorizer", select::feature_vectorizer);
    register.insert("Imputer", scale::imputer);
    register.insert("LabelEncoder", encode::label_encoder);
    register.insert("LinearClassifier", linear::linear_classifier);
    register.insert("LinearRegressor", linear::linear_regressor);
    register.insert("Normalizer", scale::normalizer);
    register.insert("OneHotEncoder", encode::one_hot_encoder);
    register.insert("Scaler", scale::scaler);
    register.insert("TreeEnsembleClassifier", tree::tree_ensemble_classifier);
    register.insert("TreeEnsembleRegressor", tree::tree_ensemble_regressor);
    onnx
}

/// What to export instead of an operator nobody here implements.
pub fn instead_of(op_type: &str, domain: &str) -> &'static str {
    match (domain, op_type) {
        ("ai.onnx.ml", "SVMClassifier" | "SVMRegressor") => {
            "Export a linear model (LinearSVC, LogisticRegression) or a tree ensemble instead."
        }
        ("ai.onnx.ml", "TreeEnsemble") => {
            "Export with {'ai.onnx.ml': 3}: it writes TreeEnsembleClassifier or TreeEnsembleRegressor."
        }
        ("ai.onnx.ml", "CastMap" | "DictVectorizer") => {
            "Give each feature a column of its own: a map cannot be sent over the wire."
        }
        (_, "TfIdfVectorizer" | "StringNormalizer" | "Tokenizer") => {
            "Compute text features in the pipeline that feeds the model."
        }
        ("ai.onnx" | "ai.onnx.ml", _) => {
            "Export with another target_opset (skl2onnx: {'': 18, 'ai.onnx.ml': 3}) or compute this step before the model."
        }
        _ => {
            "Export with operators of the domains ai.onnx and ai.onnx.ml only; functions of the model's own are \
             taken apart by onnx.inliner.inline_local_functions."
        }
    }
}
