//! Which method of the service reads and answers what.

use super::{bounds, deadline, infer, refuse::status};
use crate::{
    auth::{Principal, Role},
    kernel::error::{Error, Kind, Result},
    serving::{
        Service,
        doors::oip::{
            about,
            messages::{
                Config, Done, Flag, Index, IndexRequest, Load, LogSetting, LogSettings, LogValue, ModelName,
                Nothing, Region, RegionName, Regions, TraceSettings, TraceValues,
            },
            repository,
            settings::{self, Log},
            shared::NO_CUDA,
            statistics::statistics,
        },
        endpoint::Endpoint,
        loading::load::Loaded,
        memory,
        predict::call::Call,
    },
};
use bytes::Bytes;
use http::HeaderMap;
use prost::Message;
use std::{sync::Arc, time::Instant};
use tonic::Status;

/// The largest message that is no inference.
const MOST_BYTES: usize = 1 << 20;

/// Who calls, and on what.
#[derive(Clone)]
pub struct Caller {
    pub serving: Service,
    pub who: Principal,
    pub headers: HeaderMap,
    /// When the call, or the stream of calls, came.
    pub began: Instant,
}

impl Caller {
    /// Answers one message of a method.
    pub async fn call(mut self, method: String, message: Bytes) -> Result<Bytes, Status> {
        if method == "ModelInfer" {
            let call = self.asked();
            return Ok(write(&infer::infer(&self.serving, call, message).await?));
        }
        if message.len() > MOST_BYTES {
            let words = format!("{method} takes no message of more than {MOST_BYTES} bytes.");
            return Err(status(Error::new(Kind::TooLarge, words)));
        }
        match method.as_str() {
            "RepositoryModelLoad" => {
                let asked: Load = read(message)?;
                self.who.require(Role::Editor).map_err(status)?;
                repository::load(&self.serving, asked.model(), asked.parameters.keys())
                    .await
                    .map_err(status)?;
                Ok(write(&Done { model_name: asked.model().to_owned(), is: true }))
            }
            "RepositoryModelUnload" => {
                let asked: Load = read(message)?;
                self.who.require(Role::Editor).map_err(status)?;
                repository::unload(&self.serving, asked.model()).await.map_err(status)?;
                Ok(write(&Done { model_name: asked.model().to_owned(), is: true }))
            }
            _ => self.tell(&method, message),
        }
    }

    /// Answers one message of a stream of inferences.
    pub async fn streamed(mut self, message: Bytes) -> Result<Bytes, Status> {
        let call = self.asked();
        Ok(write(&infer::streamed(&self.serving, call, message).await))
    }

    /// The call that these headers make; who waits for a stream waits since it began.
    fn asked(&mut self) -> Call {
        let call = Call::new(std::mem::take(&mut self.who.user), std::mem::take(&mut self.headers));
        match deadline::of_headers(&call.headers) {
            Some(wait) => call.within(wait.saturating_sub(self.began.elapsed())),
            None => call,
        }
    }

    /// The methods that only look.
    fn tell(&self, method: &str, message: Bytes) -> Result<Bytes, Status> {
        Ok(match method {
            "ServerLive" => write(&Flag { is: true }),
            "ServerReady" => {
                write(&Flag { is: self.serving.endpoints().iter().all(|endpoint| endpoint.is_settled()) })
            }
            "ModelReady" => write(&Flag { is: self.model(&read(message)?).is_ok() }),
            "ServerMetadata" => write(&about::server(self.serving.regions().are_allowed())),
            "ModelMetadata" => {
                let which: ModelName = read(message)?;
                let (endpoint, loaded) = self.model(&which).map_err(status)?;
                write(&about::metadata(&which.name, endpoint.versions(), &loaded))
            }
            "ModelConfig" => {
                let which: ModelName = read(message)?;
                let (_, loaded) = self.model(&which).map_err(status)?;
                write(&Config { config: Some(about::config(&which.name, &loaded)) })
            }
            "ModelStatistics" => {
                let which: ModelName = read(message)?;
                let version = (!which.version.is_empty()).then_some(which.version.as_str());
                write(&statistics(&self.serving, &which.name, version).map_err(status)?)
            }
            "RepositoryIndex" => {
                let asked: IndexRequest = read(message)?;
                write(&Index { models: about::index(self.serving.list(), asked.ready) })
            }
            "TraceSetting" => write(&trace(&read(message)?).map_err(status)?),
            "LogSettings" => write(&log(&read(message)?).map_err(status)?),
            _ => return self.memory(method, message),
        })
    }

    /// The methods of shared memory: what is registered, and told of it.
    fn memory(&self, method: &str, message: Bytes) -> Result<Bytes, Status> {
        let regions = self.serving.regions();
        match method {
            "SystemSharedMemoryStatus" => {
                let RegionName { name } = read(message)?;
                let found = regions.status(&self.who, &name).map_err(status)?;
                let one = |memory::Status { name, key, offset, byte_size }: memory::Status| {
                    (name.clone(), Region { name, key, offset, byte_size })
                };
                Ok(write(&Regions { regions: found.into_iter().map(one).collect() }))
            }
            "SystemSharedMemoryRegister" => {
                let Region { name, key, offset, byte_size } = read(message)?;
                let wanted = memory::Status { name, key, offset, byte_size };
                regions.register(&self.who, wanted).map_err(status)?;
                Ok(write(&Nothing {}))
            }
            "SystemSharedMemoryUnregister" => {
                let RegionName { name } = read(message)?;
                regions.unregister(&self.who, &name).map_err(status)?;
                Ok(write(&Nothing {}))
            }
            "CudaSharedMemoryStatus" => Ok(write(&Regions::default())),
            "CudaSharedMemoryUnregister" => Ok(write(&Nothing {})),
            "CudaSharedMemoryRegister" => Err(Status::unimplemented(NO_CUDA)),
            other => Err(Status::unimplemented(format!("There is no method {other:?}."))),
        }
    }

    /// The model that a request names, and the endpoint in front of it.
    fn model(&self, which: &ModelName) -> Result<(Arc<Endpoint>, Arc<Loaded>)> {
        let endpoint = self.serving.endpoint(&which.name)?;
        let loaded =
            if which.version.is_empty() { endpoint.current()? } else { endpoint.version(&which.version)? };
        Ok((endpoint, loaded))
    }
}

fn read<M: Message + Default>(message: Bytes) -> Result<M, Status> {
    M::decode(message).map_err(|_| status(bounds::malformed()))
}

fn write(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

fn trace(asked: &TraceSettings) -> Result<TraceSettings> {
    for (key, values) in &asked.settings {
        let values: Vec<&str> = values.value.iter().map(String::as_str).collect();
        settings::check_trace(key, &values)?;
    }
    let one = |(key, value): (&str, &str)| (key.to_owned(), TraceValues { value: vec![value.to_owned()] });
    Ok(TraceSettings { settings: settings::TRACE.map(one).into(), model_name: String::new() })
}

fn log(asked: &LogSettings) -> Result<LogSettings> {
    for (key, setting) in &asked.settings {
        match &setting.value {
            Some(LogValue::Flag(flag)) => settings::check_log(key, Log::Flag(*flag))?,
            Some(LogValue::Number(number)) => settings::check_log(key, Log::Number(u64::from(*number)))?,
            Some(LogValue::Text(text)) => settings::check_log(key, Log::Text(text))?,
            None => {}
        }
    }
    let one = |(key, value): (&str, Log)| {
        let value = match value {
            Log::Flag(flag) => LogValue::Flag(flag),
            Log::Number(number) => LogValue::Number(u32::try_from(number).unwrap_or(u32::MAX)),
            Log::Text(text) => LogValue::Text(text.to_owned()),
        };
        (key.to_owned(), LogSetting { value: Some(value) })
    };
    Ok(LogSettings { settings: settings::LOG.map(one).into() })
}
