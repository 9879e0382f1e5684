import { leaveOut } from "./preload";

/**
 * Loaded before the Pulumi SDK in the processes that the engine starts (docs/decisions/0004-lean-sdk.md): they go without
 * what the command line goes without, and also without the Automation API, by which the command line runs the engine and
 * which the SDK loads with everything else.
 */
leaveOut({ "@pulumi/pulumi/automation": {} });
