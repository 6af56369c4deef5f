//! Our operators, registered over tract's.

use tract_onnx::Onnx;

/// tract's register with our operators laid over it.
pub fn framework() -> Onnx {
    tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true)
}

/// What to export instead of an operator nobody here implements.
pub fn instead_of(op_type: &str, domain: &str) -> &'static str {
    match (domain, op_type) {
        ("ai.onnx.ml", "SVMClassifier" | "SVMRegressor") => {
            "Export a linear model (LinearSVC, LogisticRegression) or a tree ensemble instead."
        }
        ("ai.onnx.ml", "CastMap" | "DictVectorizer") => {
            "Give each feature a column of its own: a map cannot be sent over the wire."
        }
        ("ai.onnx.ml", "TfIdfVectorizer") | ("ai.onnx", "TfIdfVectorizer" | "StringNormalizer") => {
            "Compute text features in the pipeline that feeds the model."
        }
        ("ai.onnx" | "ai.onnx.ml", _) => {
            "Export with another target_opset (skl2onnx: {'': 18, 'ai.onnx.ml': 3}) or compute this step before the model."
        }
        _ => "Export with operators of the domains ai.onnx and ai.onnx.ml only.",
    }
}
