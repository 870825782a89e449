package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lane tries one command with some faults, one run after the other. Lanes of the same identity follow each other.
type lane struct {
	t         *testing.T
	c         *cluster
	proxy     *faultProxy
	base      *url.URL
	transport http.RoundTripper
	deed      deed
	name      string // of the set or whatever the command is about
	dir       string
	faults    func(n int) []mishap // of the n-th write
	runs      int
}

// words fills a command in.
func (l *lane) words(args []string) []string {
	filled := make([]string, 0, len(args))
	for _, a := range args {
		filled = append(filled, strings.NewReplacer("NAME", l.name, "DIR", l.dir).Replace(a))
	}
	return filled
}

func (l *lane) state() map[string]any {
	s, err := state(l.base, l.transport, l.deed.who(l.name))
	if err != nil {
		l.t.Errorf("%s: reading the cluster: %v", l.name, err)
	}
	return s
}

// reset brings the cluster to where the command begins. To take away what is not there is no failure here.
func (l *lane) reset() result {
	l.proxy.arm(0, "")
	return l.c.run("", l.c.egress, append(l.words(l.deed.before), "--kubeconfig="+l.proxy.kubeconfig)...)
}

// run lets every write of the command go wrong and holds that the cluster is then as before or as wanted, and that exit code and
// words say which is true.
func (l *lane) run() {
	args := append(l.words(l.deed.args), "--kubeconfig="+l.proxy.kubeconfig, "--request-timeout=2s")
	first := l.reset()
	before := l.state()
	l.proxy.arm(0, "")
	whole := l.c.run("", l.c.egress, args...)
	wanted, total := l.state(), l.proxy.writes()
	if whole.code != 0 || total == 0 || cmp.Equal(before, wanted) {
		l.t.Errorf("%s: without any fault: %d writes\n%s%s", l.name, total, first, whole)
		return
	}
	now := wanted
	for _, n := range spread(total, l.deed.only) {
		for _, f := range l.faults(n) {
			if !cmp.Equal(now, before) {
				r := l.reset()
				if now = l.state(); !cmp.Equal(now, before) {
					l.t.Errorf("%s: cannot go back: %s%s", l.name, r, cmp.Diff(before, now))
					return
				}
			}
			l.proxy.arm(n, f)
			r := l.c.run("", l.c.egress, args...)
			if l.proxy.writes() < n {
				l.t.Errorf("%s: only %d writes, %d were expected\n%s", l.name, l.proxy.writes(), total, r)
			}
			now = l.state()
			l.judge(fmt.Sprintf("%s: write %d of %d: %s", l.name, n, total, f), r, before, wanted, now)
			l.runs++
		}
	}
	l.reset()
}

// judge compares what is there with what the command says is there.
func (l *lane) judge(where string, r result, before, wanted, now map[string]any) {
	back := strings.Contains(r.stderr, "the cluster is as it was before")
	if want := map[bool]int{true: 124, false: 1}[strings.HasSuffix(where, string(hang))]; r.code != 0 && r.code != want {
		l.t.Errorf("%s: exit code %d, want %d:\n%s", where, r.code, want, r)
	}
	if l.deed.keeps && r.code != 0 && !back {
		l.judgeKept(where, r, before, now)
		return
	}
	switch {
	case r.code == 0 && !cmp.Equal(now, wanted):
		l.t.Errorf("%s: says all is done, and it is not:\n%s%s", where, r, cmp.Diff(wanted, now))
	case r.code == 0 && back, r.code != 0 && !back:
		l.t.Errorf("%s: does not say what is true:\n%s\nas before: %v, as wanted: %v", where, r, cmp.Equal(now, before), cmp.Equal(now, wanted))
	case r.code != 0 && !cmp.Equal(now, before):
		l.t.Errorf("%s: says that nothing has changed, and it has:\n%s%s", where, r, cmp.Diff(before, now))
	}
}

// judgeKept compares what was left standing with what the command says was, object by object.
func (l *lane) judgeKept(where string, r result, before, now map[string]any) {
	var told, stands []string
	for line := range strings.Lines(r.stderr) {
		if strings.Contains(line, ", and stays so") {
			_, name, _ := strings.Cut(strings.Fields(line)[0], "/")
			told = append(told, name)
		}
	}
	for key := range now {
		if !cmp.Equal(before[key], now[key]) {
			stands = append(stands, key[strings.LastIndex(key, "/")+1:])
		}
	}
	slices.Sort(told)
	slices.Sort(stands)
	if len(stands) == 0 || !slices.Equal(told, stands) {
		l.t.Errorf("%s: %v stand, and the command tells of %v:\n%s", where, stands, told, r)
	}
}

// spread chooses some of the numbers from 1 to n: the first two, the last, and one between; all if some is 0.
func spread(n, some int) []int {
	var all []int
	for i := 1; i <= n; i++ {
		if some == 0 || i <= 2 || i == n || i == n/2 {
			all = append(all, i)
		}
	}
	return all
}
