package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// workflow is what is held of a GitHub workflow.
type workflow struct {
	Permissions map[string]string `json:"permissions"`
	Jobs        map[string]struct {
		Permissions map[string]string `json:"permissions"`
		Timeout     int               `json:"timeout-minutes"`
		Steps       []struct {
			Uses string            `json:"uses"`
			Run  string            `json:"run"`
			With map[string]any    `json:"with"`
			Env  map[string]string `json:"env"`
		} `json:"steps"`
	} `json:"jobs"`
}

var (
	pinned = regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40}$`)
	named  = regexp.MustCompile(`uses: [^@]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
)

// TestWorkflows: actions are pinned by commit, with the version for people; nothing may write but what has to; every job ends.
func TestWorkflows(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(files) < 3 {
		t.Fatalf("workflows %q: %v", files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name) //nolint:gosec // of this repository
		if err != nil {
			t.Fatal(err)
		}
		var w workflow
		if err := yaml.Unmarshal(text, &w); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(w.Permissions) != 1 || w.Permissions["contents"] != "read" {
			t.Errorf("%s: permissions %v", name, w.Permissions)
		}
		for job, j := range w.Jobs {
			if j.Timeout == 0 {
				t.Errorf("%s: %s may run for ever", name, job)
			}
			if len(j.Permissions) > 0 && job != "release" {
				t.Errorf("%s: %s has permissions %v", name, job, j.Permissions)
			}
			for _, s := range j.Steps {
				if s.Uses != "" && !pinned.MatchString(s.Uses) {
					t.Errorf("%s: %s is not pinned by its commit", name, s.Uses)
				}
				if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != false {
					t.Errorf("%s: %s leaves its credentials in the working copy", name, job)
				}
				if strings.Contains(s.Run, "${{") {
					t.Errorf("%s: %q puts words of others into a script", name, s.Run)
				}
			}
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "uses:") && !named.MatchString(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "- "))) {
				t.Errorf("%s: no version beside the commit: %s", name, line)
			}
		}
	}
}
