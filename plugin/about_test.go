package plugin

import (
	"regexp"
	"testing"
)

func TestCalledAs(t *testing.T) {
	t.Parallel()
	for argv0, want := range map[string]string{
		"kubectl-egress":                "kubectl egress",
		"/usr/local/bin/kubectl-egress": "kubectl egress",
		"kubectl-istio_egress":          "kubectl istio-egress",
		"kubectl-istio_egress.exe":      "kubectl istio-egress",
		"kubectl-egress.exe":            "kubectl egress",
		"kubectl-egress.EXE":            "kubectl egress",
		"kubectl_complete-egress.exe":   "kubectl egress",
		"kubectl_complete-istio_egress": "kubectl istio-egress",
		"plugin.test":                   "kubectl egress",
		"kubectl-":                      "kubectl egress",
		"":                              "kubectl egress",
	} {
		if got := calledAs(argv0); got != want {
			t.Errorf("calledAs(%q) = %q, want %q", argv0, got, want)
		}
	}
}

func TestProgramAndShim(t *testing.T) {
	t.Parallel()
	for argv0, want := range map[string][2]string{
		"/x/kubectl-egress":    {"kubectl-egress", "kubectl_complete-egress"},
		"kubectl-istio_egress": {"kubectl-istio_egress", "kubectl_complete-istio_egress"},
		"kubectl-egress.exe":   {"kubectl-egress", "kubectl_complete-egress"},
		"plugin.test":          {"kubectl-egress", "kubectl_complete-egress"},
	} {
		if got := [2]string{program(argv0), shim(argv0)}; got != want {
			t.Errorf("%q: %q, want %q", argv0, got, want)
		}
	}
}

func TestAsksCompletion(t *testing.T) {
	t.Parallel()
	for argv0, want := range map[string]bool{"/bin/kubectl_complete-egress": true, "kubectl_complete-istio_egress.exe": true, "kubectl-egress": false, "/kubectl_complete-x/kubectl-egress": false} {
		if got := asksCompletion(argv0); got != want {
			t.Errorf("asksCompletion(%q) = %v", argv0, got)
		}
	}
}

func TestVersionIsSaid(t *testing.T) {
	t.Parallel()
	if v := Version(); !regexp.MustCompile(`^(dev|v\d+\.\d+\.\d+.*)$`).MatchString(v) {
		t.Errorf("version %q", v)
	}
}
