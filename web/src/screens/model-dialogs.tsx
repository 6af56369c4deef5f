// Changing a model: set or move an alias, drop it, edit a version. Each says what will change.
import { useState } from "preact/hooks";
import type { Endpoint } from "../lib/crannog";
import * as ml from "../lib/mlflow";
import { Confirm, Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { TagsModal } from "../parts/pairs";

interface SetProps {
  name: string; alias?: string; from?: string; versions: ml.ModelVersion[]; aliases: { alias: string; version: string }[];
  followers: (alias: string) => Endpoint[]; close: () => void; after: () => void;
}

export function SetAlias({ name, alias: given, from, versions, aliases, followers, close, after }: SetProps) {
  const [alias, setAlias] = useState(given ?? "");
  // Moving an existing alias: offer a version other than the one it has.
  const other = given ? versions.find((v) => v.version !== from)?.version : undefined;
  const [version, setVersion] = useState(other ?? from ?? versions[0]?.version ?? "");
  const now = aliases.find((a) => a.alias === alias)?.version;
  const hit = followers(alias);
  return (
    <FormModal title={given ? `Move @${given}` : "Set an alias"} submit={now ? "Move" : "Set"} close={close} after={after} disabled={!alias || !version || now === version} save={() => ml.aliasSet(name, alias, version)}>
      {!given && <Field label="Alias" hint="For example production, champion or canary."><input value={alias} onInput={(e) => setAlias(e.currentTarget.value.trim())} list="known-aliases" autofocus /></Field>}
      <datalist id="known-aliases">{aliases.map((a) => <option key={a.alias} value={a.alias} />)}</datalist>
      <Field label="Points to">
        <select value={version} onChange={(e) => setVersion(e.currentTarget.value)}>{versions.map((v) => <option key={v.version} value={v.version}>version {v.version}{v.description ? ` · ${v.description.slice(0, 40)}` : ""}</option>)}</select>
      </Field>
      {alias && (
        <p class="change">
          <span class="alias big">@{alias}</span>
          {now === version ? <>already points to version {version}.</> : now ? <>moves from <b>version {now}</b> to <b>version {version}</b>.</> : <>will point to <b>version {version}</b>.</>}
        </p>
      )}
      {hit.length > 0 && now !== version && <p class="change"><Icon name="bolt" />{hit.map((e) => e.name).join(", ")} will serve version {version} once it is loaded; no request is dropped.</p>}
    </FormModal>
  );
}

export function DropAlias({ name, alias, followers, close, after }: { name: string; alias: string; followers: Endpoint[]; close: () => void; after: () => void }) {
  return (
    <Confirm title={`Delete @${alias}`} submit="Delete" close={close} after={after} save={() => ml.aliasDelete(name, alias)}>
      <p><code>models:/{name}@{alias}</code> will no longer name a version. The version itself stays.</p>
      {followers.length > 0 && <p class="change"><Icon name="warn" />Endpoints that follow it lose their model: <b>{followers.map((e) => e.name).join(", ")}</b>.</p>}
    </Confirm>
  );
}

export function EditVersion({ version, close, after }: { version: ml.ModelVersion; close: () => void; after: () => void }) {
  const [about, setAbout] = useState(version.description ?? "");
  return (
    <FormModal title={`Version ${version.version}`} submit="Save" close={close} after={after} save={() => ml.versionDescribe(version.name, version.version, about)}>
      <Field label="Description"><textarea rows={4} value={about} onInput={(e) => setAbout(e.currentTarget.value)} autofocus /></Field>
    </FormModal>
  );
}

export function VersionTags({ version, close, after }: { version: ml.ModelVersion; close: () => void; after: () => void }) {
  const { name, version: v } = version;
  return <TagsModal title={`Tags of version ${v}`} tags={ml.userTags(version.tags)} close={close} after={after} set={(key, value) => ml.versionTag(name, v, key, value)} drop={(key) => ml.versionTagDelete(name, v, key)} />;
}

export function DeleteVersion({ version, close, after }: { version: ml.ModelVersion; close: () => void; after: () => void }) {
  return (
    <Confirm title={`Delete version ${version.version}`} submit="Delete" close={close} after={after} save={() => ml.versionDelete(version.name, version.version)}>
      <p>Version <b>{version.version}</b> of <b>{version.name}</b> is removed{version.aliases?.length ? <>, and with it {version.aliases.map((a) => `@${a}`).join(", ")}</> : null}. The run's files stay.</p>
    </Confirm>
  );
}
