// "Use from code": how to reach the object at hand from Python, curl and the command line,
// with this server's real addresses.
import { useState } from "preact/hooks";
import { clientEnv } from "../lib/crannog";
import { useLoad } from "../lib/use";
import { Copy, Problem, Skeleton } from "./basics";
import { Modal } from "./dialog";
import { Icon } from "./icon";

export interface Addresses { http: string; s3: string; region: string }
export type Snippets = (at: Addresses) => { label: string; code: string }[];

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
  const at = env.data && { http: env.data.tracking_uri, s3: env.data.s3_endpoint, region: env.data.region };
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
            <p class="muted">Elsewhere, make a token or an S3 key in <a href="/settings/tokens" onClick={close}>Settings</a> and set:</p>
            <CodeBlock code={`export MLFLOW_TRACKING_URI=${at.http}\nexport MLFLOW_TRACKING_TOKEN=…\nexport AWS_ENDPOINT_URL=${at.s3}\nexport AWS_REGION=${at.region}\nexport AWS_ACCESS_KEY_ID=…\nexport AWS_SECRET_ACCESS_KEY=…`} />
          </>
        )}
      </div>
    </Modal>
  );
}
