// "Use from code": how to reach the object at hand from Python, curl and the command line,
// with this server's real addresses.
import { useState } from "preact/hooks";
import { type ClientEnv, clientEnv } from "../lib/crannog";
import { useLoad } from "../lib/use";
import { Copy, Problem, Skeleton } from "./basics";
import { Modal } from "./dialog";
import { Icon } from "./icon";

/** Where the doors are; `ca`: whether clients must be told of the house's own authority, in which case `curl` does so. */
export interface Addresses { http: string; s3: string; region: string; ca: boolean; curl: string }
/** The authority's file as Python names it, once the environment is set as the drawer says. */
export const CA = 'os.environ["CRANNOG_CA_FILE"]';
export type Snippets = (at: Addresses) => { label: string; code: string }[];

function addresses(env: ClientEnv): Addresses {
  const ca = env.own_authority;
  return { http: env.tracking_uri, s3: env.s3_endpoint, region: env.region, ca, curl: ca ? 'curl --cacert "$CRANNOG_CA_FILE"' : "curl" };
}

/** What a shell elsewhere has to have set. */
function exports(at: Addresses) {
  const trust = ["CRANNOG_CA_FILE", "MLFLOW_TRACKING_SERVER_CERT_PATH", "AWS_CA_BUNDLE"].map((name) => `export ${name}=$PWD/crannog-ca.pem`);
  return [
    `export MLFLOW_TRACKING_URI=${at.http}`,
    "export MLFLOW_TRACKING_TOKEN=…",
    `export AWS_ENDPOINT_URL=${at.s3}`,
    `export AWS_REGION=${at.region}`,
    "export AWS_ACCESS_KEY_ID=…",
    "export AWS_SECRET_ACCESS_KEY=…",
    ...(at.ca ? trust : []),
  ].join("\n");
}

export function CodeBlock({ code }: { code: string }) {
  return <div class="code"><pre tabIndex={0}><code>{code}</code></pre><Copy text={code} label="Copy code" /></div>;
}

export function UseFromCode({ snippets }: { snippets: Snippets }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="btn" onClick={() => setOpen(true)}><Icon name="code" />Use from code</button>
      {open && <Drawer snippets={snippets} close={() => setOpen(false)} />}
    </>
  );
}

function Drawer({ snippets, close }: { snippets: Snippets; close: () => void }) {
  const env = useLoad(clientEnv, []);
  const [chosen, choose] = useState(0);
  const at = env.data && addresses(env.data);
  const all = at && snippets(at);
  const current = all?.[chosen] ?? all?.[0];
  return (
    <Modal title="Use from code" close={close} class="drawer">
      <div class="modal-body">
        {env.error && <Problem error={env.error} retry={env.reload} />}
        {!all && !env.error && <Skeleton />}
        {all && current && (
          <>
            <div class="segments" role="group" aria-label="Language">
              {all.map((snippet, i) => (
                <button key={snippet.label} type="button" aria-pressed={snippet === current} onClick={() => choose(i)}>{snippet.label}</button>
              ))}
            </div>
            <CodeBlock code={current.code} />
            <p class="muted">
              Clients read their address and credentials from the environment. In a shell on the server, this sets all of it:
            </p>
            <CodeBlock code={'eval "$(crannog env)"'} />
            <p class="muted">
              Elsewhere, make a token or an S3 key in <a href="/settings/tokens" onClick={close}>Settings</a>
              {at.ca && <>, fetch <a href="/ca.pem" download="crannog-ca.pem">crannog-ca.pem</a> (its fingerprint: <code>crannog ca --fingerprint</code> on the server)</>} and set:
            </p>
            <CodeBlock code={exports(at)} />
          </>
        )}
      </div>
    </Modal>
  );
}
