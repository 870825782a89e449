package plugin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// installShim puts what kubectl calls for completion into dir, by default beside the program. path is PATH. What is there already and
// leads elsewhere is somebody else's and stays.
func (t *tool) installShim(dir, path string) error {
	self, err := exec.LookPath(t.argv0)
	if err == nil {
		self, err = filepath.Abs(self)
	}
	if err != nil {
		return fmt.Errorf("where this program is could not be found out: %w", err)
	}
	target := filepath.Base(self) // so that it stays right when an upgrade puts another program in the same place
	if dir == "" {
		dir = filepath.Dir(self)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("the folder %s: %w", dir, err)
	}
	if dir != filepath.Dir(self) {
		target = self
	}
	link := filepath.Join(dir, shim(t.argv0))
	if runtime.GOOS == "windows" {
		link += ".cmd" // there links take rights that few have
	}
	if err := place(link, target); err != nil {
		return err
	}
	fmt.Fprintf(t.Out, "%s -> %s\n", plain(link), plain(target))
	if !slices.Contains(filepath.SplitList(path), dir) {
		t.note("%s is not on PATH, where kubectl looks for it: export PATH=\"%s%c$PATH\"", dir, dir, filepath.ListSeparator)
	}
	t.note("%s is completed wherever kubectl is: 'kubectl completion --help' says how a shell learns it.", t.name)
	return nil
}

// place makes the link, or on Windows the script that does its work.
func place(link, target string) error {
	if runtime.GOOS == "windows" {
		return putScript(link, "@\""+target+"\" "+cobra.ShellCompRequestCmd+" %*\r\n")
	}
	there, err := os.Readlink(link)
	switch {
	case err == nil && there == target:
		return nil
	case err == nil && filepath.Base(there) == filepath.Base(target): // ours, from another place
		err = os.Remove(link)
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	default:
		return occupiedLink(link)
	}
	if err == nil {
		err = os.Symlink(target, link)
	}
	return linked(link, err)
}

// putScript writes a file unless another one is there.
func putScript(file, text string) error {
	there, err := os.ReadFile(file) // #nosec G304 -- its name is made of the folder that the user names
	switch {
	case err == nil && string(there) == text:
		return nil
	case err == nil:
		return occupiedLink(file)
	case errors.Is(err, fs.ErrNotExist):
		return linked(file, os.WriteFile(file, []byte(text), 0o755)) // #nosec G306 -- it is a program
	}
	return linked(file, err)
}

// linked says what to do where a folder cannot be written to or is not there.
func linked(link string, err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return egress.Inputf("%v; name a folder on PATH that you may write to with --dir", err)
	}
	if err != nil {
		return fmt.Errorf("making %s: %w", link, err)
	}
	return nil
}

func occupiedLink(link string) error {
	return egress.Inputf("%s is there already and does not lead to this program; remove it, or name another folder with --dir", link)
}
