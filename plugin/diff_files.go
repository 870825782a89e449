package plugin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/apply"
)

// diffFolders are the two folders that are compared, with a file for each object on either side on which it is there.
type diffFolders struct{ live, merged string }

func newDiffFolders() (diffFolders, error) {
	live, err := os.MkdirTemp("", "LIVE-")
	if err != nil {
		return diffFolders{}, fmt.Errorf("make room for a comparison: %w", err)
	}
	f := diffFolders{live: live}
	if f.merged, err = os.MkdirTemp("", "MERGED-"); err != nil {
		return diffFolders{}, errors.Join(fmt.Errorf("make room for a comparison: %w", err), f.remove())
	}
	return f, nil
}

// remove takes both folders away.
func (f diffFolders) remove() error {
	var errs []error
	for _, folder := range []string{f.live, f.merged} {
		if folder != "" {
			errs = append(errs, os.RemoveAll(folder))
		}
	}
	return errors.Join(errs...)
}

// add writes what an object is and what it would be. Values of Secrets are masked.
func (f diffFolders) add(c apply.Change, managed bool) error {
	before, after := forDiff(c.Before, managed), forDiff(c.After, managed)
	mask(before, after)
	for folder, o := range map[string]*unstructured.Unstructured{f.live: before, f.merged: after} {
		if o == nil {
			continue
		}
		text, err := encode("yaml", o.Object)
		if err != nil {
			return fmt.Errorf("write %s for a comparison: %w", c.Ref, err)
		}
		if err := os.WriteFile(filepath.Join(folder, diffName(o)), text, 0o600); err != nil {
			return fmt.Errorf("write %s for a comparison: %w", c.Ref, err)
		}
	}
	return nil
}

// forDiff is an object as it is compared; nil stays nil.
func forDiff(o *unstructured.Unstructured, managed bool) *unstructured.Unstructured {
	if o == nil {
		return nil
	}
	o = o.DeepCopy()
	if !managed {
		o.SetManagedFields(nil)
	}
	return o
}

// diffName is kubectl's name for an object's file, so that hunks of both can be held side by side: group, version, kind, namespace
// and name, of which an object of the core group has no group.
func diffName(o *unstructured.Unstructured) string {
	kind := o.GroupVersionKind()
	words := []string{kind.Version, kind.Kind, o.GetNamespace(), o.GetName()}
	if kind.Group != "" {
		words = append([]string{kind.Group}, words...)
	}
	return strings.Join(words, ".")
}

// What stands for a Secret's value, as kubectl diff has it: that it is there, and whether it changes.
const (
	masked       = "***"
	maskedBefore = "*** (before)"
	maskedAfter  = "*** (after)"
)

// lastApplied is where kubectl apply keeps an object whole, a Secret's values with it.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// mask takes the values out of the two states of a Secret. Either may be nil.
func mask(before, after *unstructured.Unstructured) {
	old, now := secretData(before), secretData(after)
	for key, was := range old {
		is, both := now[key]
		switch {
		case !both:
			old[key] = masked
		case reflect.DeepEqual(was, is):
			old[key], now[key] = masked, masked
		default:
			old[key], now[key] = maskedBefore, maskedAfter
		}
	}
	for key := range now {
		if _, both := old[key]; !both {
			now[key] = masked
		}
	}
	for o, data := range map[*unstructured.Unstructured]map[string]any{before: old, after: now} {
		if data == nil {
			continue
		}
		if len(data) > 0 {
			o.Object["data"] = data
		}
		if annotations := o.GetAnnotations(); annotations[lastApplied] != "" {
			annotations[lastApplied] = masked
			o.SetAnnotations(annotations)
		}
	}
}

// secretData are the values of a Secret; nil of anything else. A Secret without values has an empty map.
func secretData(o *unstructured.Unstructured) map[string]any {
	if o == nil || o.GetKind() != "Secret" || o.GroupVersionKind().Group != "" {
		return nil
	}
	data, _, err := unstructured.NestedMap(o.Object, "data")
	if err != nil || data == nil {
		return map[string]any{}
	}
	return data
}
