// From data to answers: the datasets, the run, the logged model, the version, its aliases, the endpoints and what they answered.
import type { Endpoint } from "../lib/crannog";
import { nameOf } from "../lib/fields";
import { plural } from "../lib/format";
import type { LoggedModel, ModelVersion, Run } from "../lib/mlflow";
import { path } from "../lib/router";
import type { Node } from "../parts/graph";

interface Known { version: ModelVersion; run?: Run; logged?: LoggedModel["info"]; aliases: string[]; endpoints: Endpoint[] }

export function lineage({ version, run, logged, aliases, endpoints }: Known): { nodes: Node[]; hrefs: Map<string, string> } {
  const hrefs = new Map<string, string>();
  const nodes: Node[] = [];
  const add = (id: string, label: string, note: string, needs: string[], href?: string) => {
    if (nodes.some((node) => node.id === id)) return;
    nodes.push({ id, label, note, needs });
    if (href) hrefs.set(id, href);
  };
  for (const { dataset } of run?.inputs?.dataset_inputs ?? []) add(`data ${dataset.name} ${dataset.digest}`, dataset.name, `dataset ${dataset.digest}`, [], run && path("runs", run.info.run_id));
  const data = nodes.map((node) => node.id);
  if (run) add("run", nameOf(run), "run", data, path("runs", run.info.run_id));
  if (logged) add("logged", logged.name, "logged model", run ? ["run"] : [], run && `${path("runs", run.info.run_id)}?tab=models`);
  add("version", version.name, `version ${version.version}`, logged ? ["logged"] : run ? ["run"] : [], path("models", version.name, "versions", version.version));
  for (const alias of aliases) add(`alias ${alias}`, `@${alias}`, "alias", ["version"], path("models", version.name));
  for (const one of endpoints) {
    const alias = one.model.split("@")[1];
    const needs = [alias !== undefined && aliases.includes(alias) ? `alias ${alias}` : "version"];
    add(`endpoint ${one.name}`, one.name, `${one.state.replace("_", " ")}, ${plural(one.requests, "prediction")}`, needs, path("endpoints", one.name));
  }
  return { nodes, hrefs };
}
