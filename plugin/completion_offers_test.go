package plugin

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestListedCompletesTheLastOne(t *testing.T) {
	t.Parallel()
	var given []string
	complete := listed(func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		given = args
		return []string{"edition.cnn.com\tServiceEntry a/b"}, cobra.ShellCompDirectiveNoFileComp
	})
	for typed, want := range map[string]string{"": "edition.cnn.com", "edi": "edition.cnn.com", "a.com,edi": "a.com,edition.cnn.com", "a.com,b.com,": "a.com,b.com,edition.cnn.com"} {
		words, directive := complete(nil, nil, typed)
		if diff := cmp.Diff([]string{want + "\tServiceEntry a/b"}, words); diff != "" {
			t.Errorf("%q: %s", typed, diff)
		}
		if directive != cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace {
			t.Errorf("%q: directive %d", typed, directive)
		}
	}
	complete(nil, nil, "a.com,b.com,")
	if diff := cmp.Diff([]string{"a.com", "b.com", ""}, given); diff != "" {
		t.Errorf("hosts that are named already: %s", diff)
	}
}

func TestFirstCompletesOneArgument(t *testing.T) {
	t.Parallel()
	complete := first(func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"x"}, cobra.ShellCompDirectiveNoFileComp
	})
	if words, _ := complete(nil, nil, ""); len(words) != 1 {
		t.Errorf("the first argument: %q", words)
	}
	if words, directive := complete(nil, []string{"x"}, ""); len(words) != 0 || directive != cobra.ShellCompDirectiveNoFileComp {
		t.Errorf("the second argument: %q, directive %d", words, directive)
	}
}

// TestEveryCommandAndFlagIsCompleted: file names are offered only where a file is asked for, so each argument has a completion of its
// own, and so has each flag that takes one of a few words or a name of the cluster.
func TestEveryCommandAndFlagIsCompleted(t *testing.T) {
	t.Parallel()
	completed := []string{"namespace", "gateway", "domains", "context", "cluster", "user", "mode", "mtls"}
	each(t, func(c *cobra.Command) {
		if c.HasParent() && c.ValidArgsFunction == nil && len(c.ValidArgs) == 0 {
			t.Errorf("%s offers file names as arguments", c.CommandPath())
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			_, isChoice := f.Value.(*choice)
			if !isChoice && !slices.Contains(completed, f.Name) {
				return
			}
			if complete, ok := c.GetFlagCompletionFunc(f.Name); !ok || complete == nil {
				t.Errorf("%s --%s has no completion", c.CommandPath(), f.Name)
			}
		})
	})
}
