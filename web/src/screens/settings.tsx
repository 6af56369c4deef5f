// Settings: you, users, tokens, S3 keys, webhooks, the server.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { bytes, duration } from "../lib/format";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Card, Empty, Facts, Page, Problem, Skeleton, Tabs, Time } from "../parts/basics";
import { Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Status } from "../parts/status";
import { BackupCard } from "./backups";
import { KeyList, TokenList, UserList } from "./settings-lists";
import { WebhookList } from "./webhooks";

export function SettingsScreen({ tab }: { tab: string }) {
  const { admin } = useMay();
  const tabs = [{ id: "me", label: "You" }, { id: "tokens", label: "Tokens" }, { id: "s3-keys", label: "S3 keys" }, ...(admin ? [{ id: "users", label: "Users" }, { id: "webhooks", label: "Webhooks" }] : []), { id: "server", label: "Server" }];
  return (
    <Page title="Settings">
      <Tabs current={tab} href={(to) => (to === "me" ? "/settings" : `/settings/${to}`)} tabs={tabs} />
      {tab === "me" && <You />}
      {tab === "tokens" && <TokenList />}
      {tab === "s3-keys" && <KeyList />}
      {tab === "users" && <UserList />}
      {tab === "webhooks" && <WebhookList />}
      {tab === "server" && <Server />}
      {!["me", "tokens", "s3-keys", "users", "webhooks", "server"].includes(tab) && <Empty kind="none" title="There is no such section" />}
    </Page>
  );
}

function You() {
  const { me, admin } = useMay();
  const [changing, setChanging] = useState(false);
  if (!me) return <Card><Skeleton rows={3} /></Card>;
  const can = { guest: "reach over S3 what was granted to you", member: "reach through MLflow what was granted to you", viewer: "see everything, change nothing", editor: "change data, models, pipelines and endpoints", admin: "do everything, users and keys included" }[me.role];
  return (
    <Card title="You" actions={admin && <button type="button" class="btn" onClick={() => setChanging(true)}><Icon name="key" />Change password</button>}>
      <Facts items={[["Name", <b>{me.user}</b>], ["Role", me.role], ["You may", can]]} />
      {changing && <ChangePassword name={me.user} close={() => setChanging(false)} />}
    </Card>
  );
}

function ChangePassword({ name, close }: { name: string; close: () => void }) {
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  return (
    <FormModal title="Change your password" submit="Change" close={close} disabled={!password || password !== again} save={() => api.userChange(name, { password })}>
      <Field label="New password"><input type="password" autocomplete="new-password" value={password} onInput={(e) => setPassword(e.currentTarget.value)} autofocus /></Field>
      <Field label="Once more" hint={again && password !== again ? "The two differ." : undefined}><input type="password" autocomplete="new-password" value={again} onInput={(e) => setAgain(e.currentTarget.value)} /></Field>
    </FormModal>
  );
}

function Server() {
  const loaded = useLoad(api.status, [], 3_000);
  const env = useLoad(api.clientEnv, []);
  const s = loaded.data;
  if (loaded.error) return <Problem error={loaded.error} retry={loaded.reload} />;
  if (!s) return <Card><Skeleton rows={6} /></Card>;
  return (
    <>
      <Card title="Server">
        <Facts items={[["Version", s.version], ["Process", String(s.pid)], ["Started", <Time at={s.started_at} />], ["Up for", duration(s.uptime_s * 1000)], ["Memory", bytes(s.rss_bytes)], ["Data directory", <code>{s.data_dir}</code>], ["HTTP", <code>{env.data?.tracking_uri ?? s.http_url}</code>], ["S3", <code>{env.data?.s3_endpoint ?? s.s3_url}</code>]]} />
      </Card>
      <BackupCard />
      <div class="two">
        <Card title="Checks" flush><ul class="rows">{s.checks.map((c) => <li key={c.name}><Status state={c.ok ? "ok" : "failed"} /><b>{c.name}</b><span class="muted grow cut">{c.detail}</span></li>)}</ul></Card>
        <Card title="Background tasks" flush>{s.tasks.length === 0 ? <p class="note">None.</p> : <ul class="rows">{s.tasks.map((t) => <li key={t.name}><span class="grow">{t.name}</span><span class="muted">{t.count}</span></li>)}</ul>}</Card>
      </div>
    </>
  );
}
