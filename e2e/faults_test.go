package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFaults puts one fault in at a time, by hand. Each must be found under its own code and no other, and the fix that check
// prints must mend it when followed to the letter.
func TestFaults(t *testing.T) {
	for _, code := range []string{"EGR001", "EGR002", "EGR011", "EGR012", "EGR017", "EGR020", "EGR023"} {
		t.Run(code, func(t *testing.T) {
			c := newCluster(t)
			c.restore()
			c.apply(fault(t, code))
			var rep report
			c.eventually("check names "+code, 30*time.Second, func() (bool, string) {
				rep = c.check("--from-pod=" + *clientRef)
				got := strings.Join(rep.codes("fail", "warn"), " ")
				return got == code, "codes " + got
			})
			if rep.ExitCode != 3 {
				t.Errorf("exit %d for a fault, want 3", rep.ExitCode)
			}
			for _, f := range rep.Findings {
				if f.State == "fail" {
					c.follow(f.Fix)
				}
			}
			c.eventually("check is content after the fix", 30*time.Second, func() (bool, string) {
				rep = c.check("--from-pod=" + *clientRef)
				return rep.ExitCode == 0 && len(rep.Paths) > 0 && len(rep.codes("fail", "warn", "unknown")) == 0,
					strings.Join(rep.codes("fail", "warn", "unknown"), " ")
			})
			url := "https://" + *host
			if code == "EGR017" || code == "EGR023" {
				url = "http://" + *host
			}
			if !c.passes(*clientRef, url, *outsideRef) {
				t.Errorf("after the fix %s still goes round the gateway", url)
			}
		})
	}
}

// TestWorkingByHand holds check to silence on what the documents configure: made by hand, it is no worse than made by the tool.
func TestWorkingByHand(t *testing.T) {
	for name, url := range map[string]string{"working-passthrough": "https://", "working-http": "http://"} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			c.apply(fault(t, name))
			c.eventually("check is content", 30*time.Second, func() (bool, string) {
				rep := c.check()
				return rep.ExitCode == 0 && len(rep.Paths) == 1 && rep.Paths[0].Set == "" && len(rep.codes("fail", "warn", "unknown")) == 0,
					strings.Join(rep.codes("fail", "warn", "unknown"), " ")
			})
			if !c.passes(*clientRef, url+*host, *outsideRef) {
				t.Errorf("%s%s goes round the gateway", url, *host)
			}
		})
	}
}

// TestSight takes away what lets one see: the access log (R51) and the counter (R52, as on every default install). Both limit
// sight and break nothing, so they are skips with a remedy, and the remedy works.
func TestSight(t *testing.T) {
	c := newCluster(t)
	c.restore()
	c.apply(fault(t, "working-passthrough"))
	t.Run("EGR052", func(t *testing.T) {
		c := newCluster(t)
		c.sees("skip", "EGR052")
		namespace, name := split(*gatewayRef)
		t.Cleanup(func() {
			c.kube("-n", namespace, "rollout", "undo", "deploy/"+name)
			c.kube("-n", namespace, "rollout", "status", "deploy/"+name, "--timeout=90s")
		})
		c.follow(c.fixOf("skip", "EGR052"))
		c.kube("-n", namespace, "rollout", "status", "deploy/"+name, "--timeout=90s")
		c.sees("pass", "EGR052")
	})
	t.Run("EGR051", func(t *testing.T) {
		c := newCluster(t)
		c.sees("pass", "EGR051")
		mesh := c.kube("-n", "istio-system", "get", "configmap", "istio", "-o", "jsonpath={.data.mesh}")
		t.Cleanup(func() { c.meshConfig(mesh) })
		c.meshConfig(strings.Replace(mesh, "accessLogFile: /dev/stdout", "accessLogFile: \"\"", 1))
		c.sees("skip", "EGR051")
		c.follow(c.fixOf("skip", "EGR051"))
		c.sees("pass", "EGR051")
	})
}

// meshConfig replaces Istio's mesh configuration.
func (c *cluster) meshConfig(mesh string) {
	c.t.Helper()
	patch := filepath.Join(c.t.TempDir(), "mesh.yaml")
	body := "data:\n  mesh: |-\n    " + strings.ReplaceAll(strings.TrimSpace(mesh), "\n", "\n    ") + "\n"
	if err := os.WriteFile(patch, []byte(body), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.kube("-n", "istio-system", "patch", "configmap", "istio", "--type=merge", "--patch-file="+patch)
}

// sees waits until check reports the code in the state, with nothing failing.
func (c *cluster) sees(state, code string) {
	c.t.Helper()
	c.eventually(code+" is "+state, 30*time.Second, func() (bool, string) {
		rep := c.check()
		return rep.ExitCode == 0 && slices.Contains(rep.codes(state), code), strings.Join(rep.codes("fail", "warn", "skip", "unknown"), " ")
	})
}

// fixOf gives the remedy that check prints for a code in a state.
func (c *cluster) fixOf(state, code string) string {
	c.t.Helper()
	for _, f := range c.check().Findings {
		if f.Code == code && f.State == state && f.Fix != "" {
			return f.Fix
		}
	}
	c.t.Fatalf("check prints no fix for %s", code)
	return ""
}

// follow runs a fix just as it was printed.
func (c *cluster) follow(fix string) {
	c.t.Helper()
	c.followIn("", fix)
}

// followIn runs a fix in a folder, which has the files that it names.
func (c *cluster) followIn(dir, fix string) {
	c.t.Helper()
	if !strings.HasPrefix(fix, "kubectl ") {
		c.t.Fatalf("the fix is no command: %q", fix)
	}
	if dir != "" {
		fix = "cd '" + dir + "' && " + fix
	}
	if r := c.run("", "bash", "-c", fix); r.code != 0 {
		c.t.Fatalf("the fix does not work: %s", r)
	}
}

func fault(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "faults", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestSetIsMended deletes what a set stands on. The fix that check prints puts back what was declared, from the cluster's own record.
func TestSetIsMended(t *testing.T) {
	c := newCluster(t)
	t.Cleanup(func() { c.forget("refusals") })
	c.plugin(0, enableArgs()...)
	c.kube("-n", "default", "delete", "virtualservice", "egress-refusals."+*host)
	c.eventually("check names EGR001", 30*time.Second, func() (bool, string) {
		got := strings.Join(c.check().codes("fail", "warn"), " ")
		return got == "EGR001", "codes " + got
	})
	c.follow(c.fixOf("fail", "EGR001"))
	if rep := c.check("refusals"); rep.ExitCode != 0 {
		t.Errorf("exit %d after the fix, %v", rep.ExitCode, rep.codes("fail"))
	}
	if !c.passes(*clientRef, "https://"+*host, *outsideRef) {
		t.Error("after the fix the request still goes round the gateway")
	}
}
