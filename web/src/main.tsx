// The entry: styles, links, application.
import "./style/base.css";
import "./style/shell.css";
import "./style/parts.css";
import "./style/screens.css";
import "./style/tracking.css";
import "./style/serving.css";
import { render } from "preact";
import { App } from "./app";
import { followMlflowLinks, interceptLinks } from "./lib/router";

interceptLinks();
followMlflowLinks();
const root = document.getElementById("app");
if (root) render(<App />, root);
