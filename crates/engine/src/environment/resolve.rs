//! From what is asked for, over what it is laid over, to a sandbox to make.

use atoll_types::{
    Command, EnvironmentId, EnvironmentRef, ImageSource, Network, RuntimeKind, SandboxId, SandboxName,
    SandboxTemplate,
};

use crate::{Caller, Engine, EngineError, NewSandbox};

/// What a request is laid over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// The defaults alone.
    Defaults,
    /// A version of an environment.
    Environment {
        /// Which.
        id: EnvironmentId,
        /// Which version; none: the newest.
        version: Option<u32>,
    },
    /// What another sandbox is, its files aside.
    Sandbox(SandboxId),
}

impl Engine {
    /// The sandbox that is asked for.
    ///
    /// # Errors
    /// `environment_not_found`, `environment_version_not_found`, `sandbox_not_found`, `image_not_found`; a field that is too much together with those
    /// that it is laid over.
    pub async fn sandbox_from(
        &self,
        caller: &Caller,
        base: &Base,
        name: Option<SandboxName>,
        asked: SandboxTemplate,
    ) -> Result<NewSandbox, EngineError> {
        let (below, environment, source) = self.base(caller, base).await?;
        // The content that a sandbox was made of, also where its name stands for another by now.
        let source = source.filter(|_| asked.image.is_none());
        // A copy has the limit of what it is a copy of, which was the default there or did hold.
        let of_base = if matches!(base, Base::Sandbox(_)) { None } else { below.disk_bytes };
        let disk = asked.disk_bytes.or(of_base);
        let template = laid(asked, below)?;
        let new = match source {
            None => self.over_image(name, template, environment).await?,
            Some(source) => {
                let new = NewSandbox { source: Some(source), environment, ..new_sandbox(name, template)? };
                check_main(&new)?;
                new
            }
        };
        if disk.is_some() {
            self.check_disk_limit(new.runtime).await?;
        }
        Ok(new)
    }

    /// What a template says, laid over what its image says.
    pub(crate) async fn over_image(
        &self,
        name: Option<SandboxName>,
        template: SandboxTemplate,
        environment: Option<EnvironmentRef>,
    ) -> Result<NewSandbox, EngineError> {
        let image = template.image.as_ref().unwrap_or(&self.inner.settings.default_image);
        let (source, own) = self.image(image).await?;
        let template = laid(template, own)?;
        let new = NewSandbox { source: Some(source), environment, ..new_sandbox(name, template)? };
        check_main(&new)?;
        Ok(new)
    }

    async fn base(
        &self,
        caller: &Caller,
        base: &Base,
    ) -> Result<(SandboxTemplate, Option<EnvironmentRef>, Option<ImageSource>), EngineError> {
        match base {
            Base::Defaults => Ok((SandboxTemplate::default(), None, None)),
            Base::Environment { id, version: None } => {
                let newest = self.environment_get(caller, id).await?;
                let environment = EnvironmentRef { id: id.clone(), version: newest.version };
                Ok((newest.template, Some(environment), None))
            }
            Base::Environment { id, version: Some(version) } => {
                let found = self.environment_version(caller, id, *version).await?;
                let environment = EnvironmentRef { id: id.clone(), version: *version };
                Ok((found.template, Some(environment), None))
            }
            Base::Sandbox(id) => {
                let spec = &self.owned(caller, id)?.spec;
                Ok((SandboxTemplate::of(spec), spec.environment.clone(), Some(spec.source.clone())))
            }
        }
    }
}

/// One over the other.
fn laid(over: SandboxTemplate, base: SandboxTemplate) -> Result<SandboxTemplate, EngineError> {
    over.over(base).map_err(|e| EngineError::field(e.what, format!("must be {}", e.expected)))
}

/// With the defaults where it says nothing.
fn new_sandbox(name: Option<SandboxName>, template: SandboxTemplate) -> Result<NewSandbox, EngineError> {
    let limits = template.limits();
    let runtime = RuntimeKind::chosen(template.runtime, template.isolation);
    Ok(NewSandbox {
        name,
        image: template.image,
        runtime: runtime.map_err(|e| EngineError::field(e.what, format!("must be {}", e.expected)))?,
        limits,
        network: template.network.unwrap_or(Network::None),
        gpus: template.gpus.unwrap_or_default(),
        env: template.env,
        entrypoint: template.entrypoint.unwrap_or_default(),
        command: template.command,
        cwd: template.cwd,
        user: template.user,
        capabilities: template.capabilities.unwrap_or_default(),
        read_only_root: template.read_only_root.unwrap_or_default(),
        labels: template.labels,
        ttl_seconds: template.ttl_seconds,
        on_expiry: template.on_expiry.unwrap_or_default(),
        idle_seconds: template.idle_seconds,
        ports: template.ports.unwrap_or_default(),
        source: None,
        environment: None,
        health_check: template.health_check,
    })
}

/// The entry point and the command may be too long together.
fn check_main(new: &NewSandbox) -> Result<(), EngineError> {
    let (Some(command), false) = (&new.command, new.entrypoint.is_empty()) else { return Ok(()) };
    let whole = new.entrypoint.iter().cloned().chain(command.to_argv()).collect();
    Command::argv(whole).map(drop).map_err(|e| EngineError::field("entrypoint", e.to_string()))
}
