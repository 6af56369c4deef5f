//! Times the inference engine: `engine-time MODEL.onnx ROWS`, rows of 32-bit reals drawn at random, in CPU
//! time of this one thread; `engine-time MODEL.onnx ROWS BACKGROUND` times one explanation instead. Run by
//! `make bench-serving` and `make bench-explain`, which time onnxruntime and shap beside it.

use std::process::ExitCode;

use crannog::serving::engine::{Model, NamedTensor, TensorData};

/// Runs this long in all, in slices: the least slice is the one that was disturbed least.
const SLICES: usize = 30;
const SLICE_NS: u64 = 50_000_000;

fn main() -> ExitCode {
    // As the server has it.
    crannog::kernel::memory::settle();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(microseconds) => {
            println!("{microseconds:.3}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Microseconds of CPU a call.
fn run(arguments: &[String]) -> Result<f64, String> {
    let (path, rows, background) = match arguments {
        [path, rows] => (path, rows, None),
        [path, rows, background] => (path, rows, Some(background)),
        _ => return Err("usage: engine-time MODEL.onnx ROWS [BACKGROUND]".to_owned()),
    };
    let bytes = fs_err::read(path).map_err(|error| error.to_string())?;
    let model = Model::load(&bytes).map_err(|error| error.message)?;
    let inputs = inputs(&model, number(rows)?)?;
    if let Some(background) = background {
        return explain(&model, &inputs, number(background)?);
    }
    let call = || model.infer(inputs.clone()).map(|_| ()).map_err(|error| error.message);
    let calls = calibrate(&call)?;
    let mut best = f64::MAX;
    for _ in 0..SLICES {
        let start = cpu_ns();
        for _ in 0..calls {
            call()?;
        }
        best = best.min((cpu_ns() - start) as f64 / calls as f64);
    }
    Ok(best / 1e3)
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text} is no number of rows"))
}

/// Microseconds of CPU of one explanation, the least of three.
fn explain(model: &Model, rows: &[NamedTensor], background: usize) -> Result<f64, String> {
    let trees = model.trees().ok_or("only tree ensembles are timed")?;
    let background = inputs(model, background)?;
    let mut best = f64::MAX;
    for _ in 0..3 {
        let start = cpu_ns();
        let found = trees.explain(&rows[0], &background[0], &|| true).map_err(|error| error.message)?;
        found.ok_or("the explanation was stopped")?;
        best = best.min((cpu_ns() - start) as f64);
    }
    Ok(best / 1e3)
}

/// How many calls fill a slice.
fn calibrate(call: &impl Fn() -> Result<(), String>) -> Result<u64, String> {
    let (start, mut calls) = (cpu_ns(), 0);
    while cpu_ns() - start < SLICE_NS {
        for _ in 0..10 {
            call()?;
        }
        calls += 10;
    }
    Ok(calls)
}

fn inputs(model: &Model, rows: usize) -> Result<Vec<NamedTensor>, String> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 22) as f32 - 2.0
    };
    let specs = model.inputs().iter().map(|spec| {
        if spec.datatype != "FP32" {
            return Err(format!("input {} is {}; only FP32 is timed", spec.name, spec.datatype));
        }
        let size = |&size: &i64| usize::try_from(size).unwrap_or(rows);
        let shape: Vec<usize> = spec.shape.iter().map(size).collect();
        let data = TensorData::F32((0..shape.iter().product()).map(|_| draw()).collect());
        Ok(NamedTensor { name: spec.name.clone(), shape, data })
    });
    specs.collect()
}

/// What this thread has had of a processor so far.
fn cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}
