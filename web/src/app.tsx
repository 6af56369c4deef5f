// The route table: which screen answers a path.
import type { ComponentChild } from "preact";
import { useMemo } from "preact/hooks";
import { usePlace } from "./lib/router";
import { Empty, Page } from "./parts/basics";
import { Shell } from "./parts/shell";
import { BucketScreen } from "./screens/bucket";
import { CompareScreen } from "./screens/compare";
import { DataScreen } from "./screens/data";
import { DocsScreen } from "./screens/docs";
import { EndpointScreen } from "./screens/endpoint";
import { EndpointsScreen } from "./screens/endpoints";
import { ExperimentScreen } from "./screens/experiment";
import { ExperimentsScreen } from "./screens/experiments";
import { HomeScreen } from "./screens/home";
import { ModelScreen } from "./screens/model";
import { ModelsScreen } from "./screens/models";
import { PipelineRunScreen } from "./screens/pipeline-run";
import { PipelineScreen } from "./screens/pipeline";
import { PipelinesScreen } from "./screens/pipelines";
import { RunScreen } from "./screens/run";
import { SettingsScreen } from "./screens/settings";
import { TraceScreen } from "./screens/trace";
import { VersionScreen } from "./screens/version";

const ROUTES: Record<string, (first: string, rest: string[]) => ComponentChild> = {
  "": () => <HomeScreen />,
  experiments: (id) => (id ? <ExperimentScreen key={id} id={id} /> : <ExperimentsScreen />),
  runs: (id) => id && <RunScreen key={id} id={id} />,
  traces: (id) => id && <TraceScreen key={id} id={id} />,
  compare: () => <CompareScreen />,
  models: (name, rest) => {
    if (!name) return <ModelsScreen />;
    const version = rest[0] === "versions" ? rest[1] : undefined;
    return version ? <VersionScreen key={`${name} ${version}`} name={name} version={version} /> : <ModelScreen key={name} name={name} />;
  },
  pipelines: (name) => (name ? <PipelineScreen key={name} name={name} /> : <PipelinesScreen />),
  "pipeline-runs": (id) => id && <PipelineRunScreen key={id} id={id} />,
  endpoints: (name) => (name ? <EndpointScreen key={name} name={name} /> : <EndpointsScreen />),
  data: (bucket, rest) => (bucket ? <BucketScreen key={bucket} bucket={bucket} prefix={rest.join("/")} /> : <DataScreen />),
  settings: (tab) => <SettingsScreen tab={tab || "me"} />,
  docs: (slug) => <DocsScreen slug={slug} />,
};

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

export function App() {
  const { path } = usePlace();
  const screen = useMemo(() => {
    const [root = "", first = "", ...rest] = path.slice(1).split("/").map(decode);
    return ROUTES[root]?.(first, rest) || <NotFound path={path} />;
  }, [path]);
  return <Shell>{screen}</Shell>;
}

function NotFound({ path }: { path: string }) {
  return (
    <Page title="Not found">
      <Empty kind="none" title="There is no page here"><p><code>{path}</code> may have been mistyped or moved.</p><a class="btn" href="/">Go home</a></Empty>
    </Page>
  );
}
