package plugin

import (
	"path/filepath"
	"runtime/debug"
	"strings"
)

// What the program is called and where it lives, said in this one place.
const (
	// Program is the name of the binary, and of the plugin where kubectl finds it on PATH.
	Program = "kubectl-egress"
	// Home is where its documentation and source are.
	Home = "https://github.com/kubectl-egress/kubectl-egress"
)

// version is what the release build says of itself, set by the linker: -X .../plugin.version=v1.2.3.
var version string

// Version is the version of the program: the linker's, else the module's as `go install` knows it, else "dev".
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && strings.HasPrefix(info.Main.Version, "v") {
		return info.Main.Version
	}
	return "dev"
}

// completionPrefix begins the name under which kubectl (1.26 and later) looks for a plugin's completion.
const completionPrefix = "kubectl_complete-"

// words is what comes after kubectl in the name that the program was called by: "istio-egress" for kubectl-istio_egress, as krew
// installs it. Under any other name (a test binary, a renamed copy) it is "egress".
func words(argv0 string) string {
	base := filepath.Base(argv0)
	if ext := filepath.Ext(base); strings.EqualFold(ext, ".exe") { // as Windows has it, however it was typed
		base = strings.TrimSuffix(base, ext)
	}
	for _, prefix := range []string{completionPrefix, "kubectl-"} {
		if rest, ok := strings.CutPrefix(base, prefix); ok && rest != "" {
			return strings.ReplaceAll(rest, "_", "-")
		}
	}
	return "egress"
}

// calledAs is how people call the program.
func calledAs(argv0 string) string { return "kubectl " + words(argv0) }

// program is the name of the binary on PATH, as kubectl looks for it.
func program(argv0 string) string { return "kubectl-" + strings.ReplaceAll(words(argv0), "-", "_") }

// shim is the name that kubectl looks for on PATH to complete `kubectl WORDS`.
func shim(argv0 string) string { return completionPrefix + strings.ReplaceAll(words(argv0), "-", "_") }

// asksCompletion says whether kubectl called the program to complete a command line: a link kubectl_complete-egress to the
// program is all that kubectl needs.
func asksCompletion(argv0 string) bool {
	return strings.HasPrefix(filepath.Base(argv0), completionPrefix)
}
