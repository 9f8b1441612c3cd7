import type { SandboxClient } from "./client.js";
import { hasCode } from "./errors.js";

/** The methods of a client whose first argument is the id of a sandbox, with which they are bound here. */
type Bound<Name extends keyof SandboxClient> = SandboxClient[Name] extends (id: string, ...rest: infer Rest) => infer R
  ? (...rest: Rest) => R
  : never;

/** One sandbox, at hand: the methods of the client, without its id. `await using` destroys it at the end of a block. */
export class SandboxHandle implements AsyncDisposable {
  constructor(
    readonly client: SandboxClient,
    /** Id of the sandbox. */
    readonly id: string,
  ) {}

  readonly get: Bound<"getSandbox"> = () => this.client.getSandbox(this.id);
  readonly start: Bound<"startSandbox"> = () => this.client.startSandbox(this.id);
  readonly stop: Bound<"stopSandbox"> = () => this.client.stopSandbox(this.id);
  readonly restart: Bound<"restartSandbox"> = () => this.client.restartSandbox(this.id);
  readonly pause: Bound<"pauseSandbox"> = () => this.client.pauseSandbox(this.id);
  readonly resume: Bound<"resumeSandbox"> = () => this.client.resumeSandbox(this.id);
  readonly keepAlive: Bound<"keepSandboxAlive"> = () => this.client.keepSandboxAlive(this.id);
  readonly replicate: Bound<"replicateSandbox"> = (...rest) => this.client.replicateSandbox(this.id, ...rest);
  readonly destroy: Bound<"destroySandbox"> = () => this.client.destroySandbox(this.id);
  readonly getLogs: Bound<"getLogs"> = (...rest) => this.client.getLogs(this.id, ...rest);
  readonly followLogs: Bound<"followLogs"> = (...rest) => this.client.followLogs(this.id, ...rest);
  readonly getMetrics: Bound<"getMetrics"> = (...rest) => this.client.getMetrics(this.id, ...rest);
  readonly getMetricsHistory: Bound<"getMetricsHistory"> = (...rest) => this.client.getMetricsHistory(this.id, ...rest);
  readonly exec: Bound<"exec"> = (...rest) => this.client.exec(this.id, ...rest);
  readonly execStream: Bound<"execStream"> = (...rest) => this.client.execStream(this.id, ...rest);
  readonly streamExec: Bound<"streamExec"> = (...rest) => this.client.streamExec(this.id, ...rest);
  readonly listExecs: Bound<"listExecs"> = (...rest) => this.client.listExecs(this.id, ...rest);
  readonly getExec: Bound<"getExec"> = (...rest) => this.client.getExec(this.id, ...rest);
  readonly writeExecStdin: Bound<"writeExecStdin"> = (...rest) => this.client.writeExecStdin(this.id, ...rest);
  readonly signalExec: Bound<"signalExec"> = (...rest) => this.client.signalExec(this.id, ...rest);
  readonly resizeExec: Bound<"resizeExec"> = (...rest) => this.client.resizeExec(this.id, ...rest);
  readonly startJob: Bound<"startJob"> = (...rest) => this.client.startJob(this.id, ...rest);
  readonly listJobs: Bound<"listJobs"> = () => this.client.listJobs(this.id);
  readonly getJob: Bound<"getJob"> = (...rest) => this.client.getJob(this.id, ...rest);
  readonly getJobLogs: Bound<"getJobLogs"> = (...rest) => this.client.getJobLogs(this.id, ...rest);
  readonly stopJob: Bound<"stopJob"> = (...rest) => this.client.stopJob(this.id, ...rest);
  readonly terminal: Bound<"terminal"> = (...rest) => this.client.terminal(this.id, ...rest);
  readonly listTerminals: Bound<"listTerminals"> = () => this.client.listTerminals(this.id);
  readonly closeTerminal: Bound<"closeTerminal"> = (...rest) => this.client.closeTerminal(this.id, ...rest);
  readonly readFile: Bound<"readFile"> = (...rest) => this.client.readFile(this.id, ...rest);
  readonly downloadFile: Bound<"downloadFile"> = (...rest) => this.client.downloadFile(this.id, ...rest);
  readonly statFile: Bound<"statFile"> = (...rest) => this.client.statFile(this.id, ...rest);
  readonly writeFile: Bound<"writeFile"> = (...rest) => this.client.writeFile(this.id, ...rest);
  readonly listFiles: Bound<"listFiles"> = (...rest) => this.client.listFiles(this.id, ...rest);
  readonly changeFile: Bound<"changeFile"> = (...rest) => this.client.changeFile(this.id, ...rest);
  readonly deleteFile: Bound<"deleteFile"> = (...rest) => this.client.deleteFile(this.id, ...rest);
  readonly searchFiles: Bound<"searchFiles"> = (...rest) => this.client.searchFiles(this.id, ...rest);
  readonly watchFiles: Bound<"watchFiles"> = (...rest) => this.client.watchFiles(this.id, ...rest);
  readonly downloadArchive: Bound<"downloadArchive"> = (...rest) => this.client.downloadArchive(this.id, ...rest);
  readonly uploadArchive: Bound<"uploadArchive"> = (...rest) => this.client.uploadArchive(this.id, ...rest);

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.destroy();
    } catch (error) {
      // It is gone already: that is what was asked for.
      if (!hasCode(error, "sandbox_not_found")) throw error;
    }
  }
}
