// The entry: mounts the application.
import { render } from "preact";

function App() {
  return <main>Crannog</main>;
}

render(<App />, document.getElementById("app")!);
