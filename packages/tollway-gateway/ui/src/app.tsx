import "uplot/dist/uPlot.min.css";
import "./style/index.css";
import type { ComponentChild } from "preact";
import { useEffect, useState } from "preact/hooks";
import { useKeys } from "./lib/keys";
import { useLoad } from "./lib/load";
import { type Route, useRoute } from "./lib/route";
import { isDark, toggleTheme, useTheme } from "./lib/theme";
import type { Info } from "./lib/types";
import { ComparePage } from "./pages/compare";
import { FlamePage } from "./pages/flame";
import { OverviewPage } from "./pages/overview";
import { ServicesPage } from "./pages/services";
import { SessionPage, SessionsPage } from "./pages/session";
import { Traces } from "./pages/traces";
import { TryPage } from "./pages/try";
import { IconButton } from "./parts/bits";
import { Help } from "./parts/help";
import { Notice, Problem, Skeleton } from "./parts/states";
import { TracePage } from "./trace/page";

interface PageProps {
  route: Route;
  info: Info;
}

const PAGES: Record<string, (props: PageProps) => ComponentChild> = {
  overview: ({ info }) => <OverviewPage info={info} />,
  traces: ({ route, info }) => <Traces route={route} info={info} />,
  trace: ({ route, info }) => <TracePage key={route.path[1]} id={route.path[1] ?? ""} route={route} fixed={info.mode === "report"} />,
  compare: ({ route }) => <ComparePage a={route.path[1] ?? ""} b={route.path[2] ?? ""} route={route} />,
  session: ({ route }) => (route.path[1] ? <SessionPage id={route.path[1]} /> : <SessionsPage />),
  services: ({ route }) => <ServicesPage route={route} />,
  flame: ({ route }) => <FlamePage route={route} />,
  try: ({ route, info }) => <TryPage route={route} info={info} />,
};

const TITLES: Record<string, string> = { overview: "Overview", traces: "Traces", session: "Sessions", services: "Services", try: "Try it" };

export function App() {
  const route = useRoute();
  const info = useLoad<Info>("info");
  const [help, setHelp] = useState(false);
  useKeys({ "?": () => setHelp(true) });
  const first = route.path[0] ?? (info.data?.mode === "gateway" ? "overview" : "traces");
  useEffect(() => {
    document.title = `${TITLES[first] ?? (first === "trace" ? "Trace" : "Tollway")} · Tollway`;
  }, [first]);
  return (
    <>
      <Header current={first} info={info.data} onHelp={() => setHelp(true)} />
      {info.error ? <Problem error={info.error} retry={info.reload} /> : info.data ? <Page name={first} route={route} info={info.data} /> : <Skeleton />}
      {help && <Help onClose={() => setHelp(false)} />}
    </>
  );
}

function Page({ name, route, info }: PageProps & { name: string }) {
  const page = PAGES[name];
  if (page) return <>{page({ route, info })}</>;
  return (
    <Notice title="There is no such page">
      <p>
        <a href="#/traces">Show the traces</a>
      </p>
    </Notice>
  );
}

function Header({ current, info, onHelp }: { current: string; info: Info | null; onHelp: () => void }) {
  useTheme();
  const dark = isDark();
  const gateway = info?.mode === "gateway";
  const pages = ["traces", "session", "services", ...(gateway ? ["overview", "try"] : [])].sort((a, b) => order(a) - order(b));
  return (
    <header class="top">
      <a class="brand" href="#/">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="7" />
          <path d="M7 9h18M10 16h12M14 23h9" />
        </svg>
        Tollway
      </a>
      <nav aria-label="Pages">
        {pages.map((name) => (
          <a key={name} href={`#/${name}`} aria-current={name === current ? "page" : undefined}>
            {TITLES[name]}
          </a>
        ))}
      </nav>
      {info && <span class="quiet version hide-narrow">{info.version}</span>}
      <IconButton icon={dark ? "sun" : "moon"} label={dark ? "Light theme" : "Dark theme"} onClick={toggleTheme} />
      <IconButton icon="help" label="Keyboard help (?)" onClick={onHelp} />
    </header>
  );
}

const ORDER = ["overview", "traces", "session", "services", "try"];
const order = (name: string): number => ORDER.indexOf(name);
